// Package gather looks at a host, asks the server on it and the other members, and fills in the facts that package
// doctor judges.
//
// It changes nothing: it reads, resolves names, dials, asks client ports with the words srvr and conf, and writes to a
// file without a name to see how long a sync takes. What it may not look at, as a user who is not root, it names. Each
// question has a time limit, and they are asked side by side: the whole takes seconds also where nobody answers.
package gather
