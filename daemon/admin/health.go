package admin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"zkd/quorum"
)

// DefaultStuckAfter is how long a server may show no progress where no watchdog says otherwise. An
// fsync that stalls for ten seconds is not rare.
const DefaultStuckAfter = 30 * time.Second

// Check is one question that a probe asks of the server.
type Check struct {
	Name string
	Err  error // nil: well
}

// LiveChecks says whether the server still moves. A server without quorum is alive, and so is one
// that recovers: only what a restart would mend counts.
func LiveChecks(st quorum.Status, now time.Time, stuckAfter time.Duration) []Check {
	replica := Check{Name: "replica"}
	last := st.LastProgress
	if last.Before(st.Started) {
		last = st.Started
	}
	if idle := now.Sub(last); idle > stuckAfter {
		replica.Err = fmt.Errorf("the server has stood still for %s", idle.Round(time.Second))
	}
	fsync := Check{Name: "fsync"}
	if !st.InFsyncSince.IsZero() {
		if took := now.Sub(st.InFsyncSince); took > stuckAfter*2/3 {
			fsync.Err = fmt.Errorf("the disk has not finished an fsync for %s", took.Round(time.Second))
		}
	}
	return []Check{replica, fsync}
}

// Alive returns nil while all of [LiveChecks] are well: what the watchdog is fed with.
func Alive(st quorum.Status, now time.Time, stuckAfter time.Duration) error {
	var all []error
	for _, c := range LiveChecks(st, now, stuckAfter) {
		all = append(all, c.Err)
	}
	return errors.Join(all...)
}

// ReadyChecks says whether clients get answers.
func ReadyChecks(st quorum.Status, now time.Time, stuckAfter time.Duration) []Check {
	serving := Check{Name: "serving"}
	if !st.Serving {
		serving.Err = errors.New(WhyNotServing(st))
	}
	return append([]Check{serving}, LiveChecks(st, now, stuckAfter)...)
}

func (s *Server) livez(w http.ResponseWriter, r *http.Request) {
	answerChecks(w, r, LiveChecks(s.o.Source.Status(), s.now(), s.o.StuckAfter))
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	answerChecks(w, r, ReadyChecks(s.o.Source.Status(), s.now(), s.o.StuckAfter))
}

// answerChecks answers "ok" with 200, or what is wrong with 503. ?verbose lists all checks, ?exclude=
// leaves one out (repeatable).
func answerChecks(w http.ResponseWriter, r *http.Request, checks []Check) {
	query := r.URL.Query()
	exclude := query["exclude"]
	_, verbose := query["verbose"]
	code, verdict := http.StatusOK, "ok\n"
	var list string
	for _, c := range checks {
		switch {
		case slices.Contains(exclude, c.Name):
			list += fmt.Sprintf("[ ] %s: excluded\n", c.Name)
		case c.Err == nil:
			list += fmt.Sprintf("[+] %s: ok\n", c.Name)
		default:
			list += fmt.Sprintf("[-] %s: %v\n", c.Name, c.Err)
			if code == http.StatusOK {
				code, verdict = http.StatusServiceUnavailable, ""
			}
			verdict += fmt.Sprintf("%s: %v\n", c.Name, c.Err)
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	if verbose {
		fmt.Fprint(w, list)
	}
	if !verbose || code == http.StatusOK {
		fmt.Fprint(w, verdict)
	}
}
