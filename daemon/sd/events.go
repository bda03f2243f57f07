package sd

// Event is something that operators look for in the journal: journalctl MESSAGE_ID=... finds it in all
// its wordings, and journalctl -x explains it by the catalogue, systemd/zkd.catalog.
type Event struct {
	Name string // the field ZKD_EVENT
	ID   string // the field MESSAGE_ID: 128 bits that are this event's for ever
	// Messages are the constant texts with which the rooms log it. They are known here by their text so that no room
	// need know of the journal; a test finds each of them in the source.
	Messages []string
}

// Events lists all events, in the order of the catalogue.
func Events() []Event {
	return []Event{
		{"starting", "92fc6fe15b4f4ed7a2193329894a2867", []string{"zkd starts"}},
		{"waiting", "5d0c2e4f8a6b4d1f9e37b1c6a2f80d94", []string{"waiting for an address or a name that this host lacks yet"}},
		{"ready", "55b735add5d14d60b7e5ba555c9dc497", []string{"ready"}},
		{"stopped", "4ad6f4e3f0444a3b92d5c3357b9264f0", []string{"zkd has stopped"}},
		{"failed", "7eb146ff05ad4631977b67775c70c721", []string{"zkd ends"}},
		{"serving", "8c9d1ada7d074101a0ff6bda4a10899a", []string{"serving"}},
		{"not-serving", "dfea8fbf0192490586139656a8270065", []string{"not serving"}},
		{"elected", "d82f527f1e4d4f46bbce134040113a03", []string{"elected"}},
		{"no-vote", "b63bf946afc34ad587979390ee0635c3", []string{"looking for a leader, without a vote: this server has lost what it had acknowledged"}},
		{"log-cut", "3035fb755a72494cba44b9741505c4ef", []string{"torn tail of the transaction log cut"}},
		{"log-short", "218759ce7db64c44a208285062835a37", []string{"transaction log ends before what was once durable"}},
		{"log-failed", "f28fc781743d46f38f1dfff5b801e26d", []string{"transaction log failed"}},
		{"slow-sync", "157e2357ba444b89854e2af9b070815b", []string{"slow log sync: clients wait for this disk"}},
		{"disk-full", "6d06eace0427466e893fc9e6082440cc", []string{"disk nearly full: writes are refused until there is room, reads go on"}},
		{"disk-has-room", "47b6a45cf0604a208d158cf8a7a124f3", []string{"disk has room again: writes are served"}},
		{"snapshot", "e972cea3945f4662b642099f27a7c4f5", []string{"snapshot written"}},
		{"snapshot-failed", "c22ca54f681b4f988bd68f44ce8c2adf", []string{"snapshot or purge failed: the log is kept and grows until one succeeds"}},
		{"diverged", "69b186ecf5c24a48966231b87c4d5e63", []string{"tree digest differs from the proposal's: this server's data is not what was agreed"}},
		{"other-voters", "f13f1535245444bbb1bec4a403c64bde", []string{"the leader's configuration names other voters than this server's: make them equal on all servers"}},
		{"reloaded", "27a95a842f494f1db2015d7bcb18ea77", []string{"configuration reloaded", "configuration reloaded; some changes wait for a restart"}},
		{"reload-refused", "5610bbb487d6495fa3dcc579c79253bd", []string{"reload refused, the old configuration stays"}},
		{"stuck", "73372028562e48ea80cf83ee8874d72a", []string{"the server is stuck: the watchdog is not fed"}},
		{"stood-still", "637485691f824e67aab73df3453e4f49", []string{"the server stood still: sessions get that much more time"}},
		{"clients-refused", "e27d71ef055b4df2875351f87fd5a6bc", []string{"connection refused: too many"}},
		{"client-ahead", "8a9ac2a679dd41518635276acc06a84c", []string{"client refused: it has seen a newer state than this server has; was data of this server lost?"}},
		{"admin-port-busy", "1bf5a35d95954fb49b9da62a7f8b3dd8", []string{"admin port not open, will keep trying"}},
		{"firewall-in-force", "0ce84715b69b43f6a068b45707952db4", []string{"firewall rules in force"}},
		{"firewall-off", "6e4c4f2d405747d6b77bfe5a01937196", []string{"firewall rules are not in force, the ports of zkd are open to whom the host lets through"}},
		{"firewall-put-back", "14e9f8fe5fb84b81b93cdad4be46bbe0", []string{"firewall rules were changed by somebody and are put back"}},
		{"problem", "65a939e3b52fd167d5ddf64ca231b4cf", []string{"problem found"}},
		{"problem-over", "a2225613098259911b1b344c75733816", []string{"problem is over"}},
		{"firewall-foreign", "a7e546cdbafe48c7be098a1d982fbebe", []string{"rules of another program shut ports of zkd"}},
	}
}

// eventsByMessage is Events for looking up what was logged.
func eventsByMessage() map[string]Event {
	events := make(map[string]Event)
	for _, e := range Events() {
		for _, m := range e.Messages {
			events[m] = e
		}
	}
	return events
}
