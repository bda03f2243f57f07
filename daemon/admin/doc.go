// Package admin answers HTTP on the admin port: what an operator, a probe or a scraper asks about
// the server on this host.
//
//	/                   a page for people: members, plots of the last minutes, firewall, problems, links
//	/status             the state as JSON (schema 1, fields are only ever added); with
//	                    ?format=text or Accept: text/plain in the words of zkServer.sh status
//	/status/schema.json the JSON Schema of it, with a sentence per field
//	/livez              200 while the server makes progress, 503 when it should be killed
//	/readyz /healthz    200 while clients get answers, else 503; ?verbose lists the checks
//	/metrics            Prometheus' text format
//	/version            the program
//	/commands           ZooKeeper's AdminServer, the harmless half of it; what tells of clients is
//	                    for the operators' socket, see LocalHandler
//
// The port is for loopback, and loopback is open to every local user and, by DNS rebinding, to any
// page in a local browser. So a request must name an allowed Host, must not come from another
// origin, cannot change anything, and is not told what clients store or who they are.
//
// A port that is taken never stops the server: the room says so and tries again.
package admin
