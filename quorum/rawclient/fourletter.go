package rawclient

// FourLetter connects to addr, sends word and returns all that the server answers.
func FourLetter(addr, word string) (string, error) {
	c, err := Dial(addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.WriteRaw([]byte(word)); err != nil {
		return "", err
	}
	answer, err := c.ReadAll()
	return string(answer), err
}
