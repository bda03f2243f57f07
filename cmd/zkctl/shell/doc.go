// Package shell is the prompt of a command-line client: it reads lines, with editing, history and completion at a
// terminal and plainly from a pipe, takes them apart into words, and lets other goroutines print above the
// line that is being typed. What the words mean is not its business.
package shell
