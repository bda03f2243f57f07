package e2e

import (
	"math"
	"testing"

	"github.com/anishathalye/porcupine"
)

// The model must find what the kill loop is there to find, and nothing else.
func TestRegisterModel(t *testing.T) {
	const path = "/r"
	forever := int64(math.MaxInt64)
	read := func(call, done int64, value string, version int32) porcupine.Operation {
		return porcupine.Operation{Call: call, Return: done,
			Input: registerCall{kind: readRegister, path: path}, Output: registerReply{value: value, version: version}}
	}
	write := func(call, done int64, kind registerKind, at int32, value string, reply registerReply) porcupine.Operation {
		return porcupine.Operation{Call: call, Return: done,
			Input: registerCall{kind: kind, path: path, value: value, version: at}, Output: reply}
	}
	tests := map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"writes are read in their order": {[]porcupine.Operation{
			write(1, 2, setRegister, 0, "a", registerReply{version: 1}),
			write(3, 4, casRegister, 1, "b", registerReply{version: 2}),
			read(5, 6, "b", 2),
		}, true},
		"a read beside a write may see either": {[]porcupine.Operation{
			write(1, 9, setRegister, 0, "a", registerReply{version: 1}),
			read(2, 3, "initial", 0),
			read(4, 5, "a", 1),
		}, true},
		"a read behind a write must see it": {[]porcupine.Operation{
			write(1, 2, setRegister, 0, "a", registerReply{version: 1}),
			read(3, 4, "initial", 0),
		}, false},
		"what was read may not vanish": {[]porcupine.Operation{
			write(1, forever, setRegister, 0, "a", registerReply{lost: true}),
			read(2, 3, "a", 1),
			read(4, 5, "initial", 0),
		}, false},
		"a write whose reply was lost may have happened": {[]porcupine.Operation{
			write(1, forever, casRegister, 0, "a", registerReply{lost: true}),
			read(5, 6, "a", 1),
		}, true},
		"a write whose reply was lost may not have happened": {[]porcupine.Operation{
			write(1, forever, setRegister, 0, "a", registerReply{lost: true}),
			read(5, 6, "initial", 0),
			write(7, 8, setRegister, 0, "b", registerReply{version: 1}),
		}, true},
		"a write that happened twice": {[]porcupine.Operation{
			write(1, 2, setRegister, 0, "a", registerReply{version: 1}),
			read(3, 4, "a", 2),
		}, false},
		"two winners of one version": {[]porcupine.Operation{
			write(1, 5, casRegister, 0, "a", registerReply{version: 1}),
			write(1, 5, casRegister, 0, "b", registerReply{version: 1}),
		}, false},
		"a refusal needs another version": {[]porcupine.Operation{
			write(1, 2, casRegister, 0, "a", registerReply{refused: true}),
		}, false},
		"the loser of a race is refused": {[]porcupine.Operation{
			write(1, 5, casRegister, 0, "a", registerReply{version: 1}),
			write(1, 5, casRegister, 0, "b", registerReply{refused: true}),
		}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := porcupine.CheckOperations(registerModel, test.history); got != test.want {
				t.Errorf("linearizable: got %v, want %v", got, test.want)
			}
		})
	}
}
