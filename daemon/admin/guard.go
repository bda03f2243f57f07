package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard wraps h in everything a request must pass before it is answered.
func (s *Server) guard(h http.Handler) http.Handler {
	allowed := allowedHosts(s.o.Addrs, s.o.Names)
	h = http.TimeoutHandler(h, answerTimeout, "the server did not answer in time\n")
	h = http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Content-Security-Policy", "default-src 'none'")
		header.Set("Cache-Control", "no-store")
		if !hostAllowed(r.Host, allowed) {
			// A name that an attacker's DNS points at loopback ends here, whatever it asks for.
			http.Error(w, "this port answers to localhost, 127.0.0.1 and [::1]; other names belong into admin.host_names", http.StatusMisdirectedRequest)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			header.Set("Allow", "GET, HEAD")
			http.Error(w, "nothing can be changed here", http.StatusMethodNotAllowed)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// allowedHosts returns the names and addresses, in lower case, that a Host header may hold besides
// those of loopback.
func allowedHosts(addrs, names []string) map[string]bool {
	allowed := make(map[string]bool)
	for _, name := range names {
		allowed[strings.ToLower(strings.Trim(name, "[]"))] = true
	}
	for _, addr := range addrs {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			continue
		}
		// Listening on every address says nothing about how this host is called.
		if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
			continue
		}
		allowed[strings.ToLower(host)] = true
	}
	return allowed
}

// hostAllowed reports whether a Host header names loopback or one of allowed. X-Forwarded-Host is
// of no account: there is no proxy that could be trusted with it.
func hostAllowed(header string, allowed map[string]bool) bool {
	host := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		host = h
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	host = strings.ToLower(host)
	if host == "localhost" || allowed[host] {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback()
}
