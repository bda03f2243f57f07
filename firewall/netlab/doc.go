// Package netlab makes network namespaces for tests: hosts with addresses and links of their own, on
// which rules can be tried with real packets. For tests only.
//
// A namespace lives as long as its file descriptor, so that nothing is left behind however a test ends.
// Making one needs root; [Main] gives the tests of a package a user namespace where they do not have it.
package netlab
