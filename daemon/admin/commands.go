package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// command is one of ZooKeeper's AdminServer commands.
//
// Its answer is an object of its keys, then "command" and "error". Unlike ZooKeeper's, which is 200
// whatever happened, the status says what error says: 404 unknown, 403 not here, 503 not serving.
type command struct {
	names   []string // the first is the primary name
	running bool     // answered only while the server serves
	refusal string   // not empty: why it is not answered on this port
	run     func(s *Server) (object, error)
	// local answers on the operators' socket, in the place of refusal.
	local func(s *Server) (object, error)
}

// object is a JSON object that keeps the order of its keys.
type object []member

type member struct {
	key   string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(m.key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

const notServing = "This ZooKeeper instance is not currently serving requests"

// Why a command is not answered on a port that every local user can reach.
const (
	changes = "changes the server: not offered over HTTP"
	reveals = "reveals what clients do: answered on the operators' socket only, see zkd(8)"
	host    = "reveals how this host is set up: answered on the operators' socket only, see zkd(8)"
	secrets = "reveals the configuration, which may hold passwords: not offered over HTTP"
)

// commands lists ZooKeeper 3.9's commands by primary name. Source: the AdminServer section of its
// administrator's guide.
var commands = []command{
	{names: []string{"configuration", "conf", "config"}, running: true, run: (*Server).configuration},
	{names: []string{"connection_stat_reset", "crst"}, refusal: changes},
	{names: []string{"connections", "cons"}, running: true, refusal: reveals + "; so is zkd connections list", local: (*Server).connections},
	{names: []string{"dirs"}, running: true, run: (*Server).dirs},
	{names: []string{"dump"}, running: true, refusal: reveals, local: (*Server).dump},
	{names: []string{"environment", "env", "envi"}, refusal: host, local: (*Server).environment},
	{names: []string{"get_trace_mask", "gtmk"}, refusal: "zkd has no trace mask"},
	{names: []string{"hash"}, running: true, run: (*Server).digests},
	{names: []string{"initial_configuration", "icfg"}, refusal: secrets},
	{names: []string{"is_read_only", "isro"}, running: true, run: (*Server).readOnly},
	{names: []string{"last_snapshot", "lsnp"}, running: true, run: (*Server).lastSnapshot},
	{names: []string{"leader", "lead"}, running: true, run: (*Server).leader},
	{names: []string{"monitor", "mntr"}, run: (*Server).monitor},
	{names: []string{"observer_connection_stat_reset", "orst"}, refusal: changes},
	{names: []string{"observers", "obsr"}, running: true, run: (*Server).observers},
	{names: []string{"restore", "rest"}, refusal: changes + "; use zkd snapshot restore"},
	{names: []string{"ruok"}, running: true, run: func(*Server) (object, error) { return nil, nil }},
	{names: []string{"server_stats", "srvr"}, running: true, run: (*Server).serverStats},
	{names: []string{"set_trace_mask", "stmk"}, refusal: "zkd has no trace mask"},
	{names: []string{"shed_connections", "shed"}, refusal: changes + "; use zkd connections shed"},
	{names: []string{"snapshot", "snap"}, refusal: "reveals all data: not offered over HTTP; use zkd snapshot save"},
	{names: []string{"stat_reset", "srst"}, refusal: changes},
	{names: []string{"stats", "stat"}, running: true, refusal: reveals + "; server_stats is the same without the connections",
		local: (*Server).statistics},
	{names: []string{"system_properties", "sysp"}, refusal: secrets},
	{names: []string{"voting_view"}, running: true, run: (*Server).votingView},
	{names: []string{"watch_summary", "wchs"}, running: true, run: (*Server).watchSummary},
	{names: []string{"watches", "wchc"}, running: true, refusal: reveals, local: (*Server).watches},
	{names: []string{"watches_by_path", "wchp"}, running: true, refusal: reveals, local: (*Server).watchesByPath},
	{names: []string{"zabstate"}, run: (*Server).zabState},
}

// commandList answers the names of what is offered, as ZooKeeper's page of links; local is on the operators' socket.
func (s *Server) commandList(local bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		var links []string
		for _, c := range commands {
			if c.refusal == "" || local && s.offersLocally(c) {
				links = append(links, fmt.Sprintf("<a href=\"/commands/%s\">%[1]s</a>\n", c.names[0]))
			}
		}
		fmt.Fprint(w, strings.Join(links, "<br/>\n"))
	}
}

// offersLocally reports whether the operators' socket answers a command that the admin port does not.
func (s *Server) offersLocally(c command) bool { return c.local != nil && s.o.Clients != nil }

func (s *Server) command(local bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		answer := func(code int, data object, command string, failure any) {
			writeJSON(w, code, append(data, member{"command", command}, member{"error", failure}))
		}
		i := slices.IndexFunc(commands, func(c command) bool { return slices.Contains(c.names, name) })
		if i < 0 {
			answer(http.StatusNotFound, nil, name, "Unknown command: "+name)
			return
		}
		c := commands[i]
		switch {
		case local && s.offersLocally(c):
			c.run = c.local
		case c.refusal != "":
			answer(http.StatusForbidden, nil, c.names[0], c.refusal)
			return
		}
		if c.running && !s.o.Source.Status().Serving {
			answer(http.StatusServiceUnavailable, nil, c.names[0], notServing)
			return
		}
		data, err := c.run(s)
		if err != nil {
			answer(http.StatusOK, data, c.names[0], err.Error()) // a question that does not apply, as leader on a standalone server
			return
		}
		answer(http.StatusOK, data, c.names[0], nil)
	}
}
