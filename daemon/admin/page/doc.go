// Package page draws the page that the admin port shows to people.
//
// It takes a [View], in which everything is said already, and makes one HTML document of it: nothing is loaded
// from elsewhere, nothing needs a script, and no colour says what a word or a shape does not say, too. Two
// pictures are drawn as SVG, each with the same in words beside it: the members around the server that is asked,
// and the course of rates and times over the last minutes.
//
// A script of a few lines puts a newer page in the place of the shown one; without it the browser loads the page
// again. Styles, script and icon are part of the document, and [Page.Policy] allows these and nothing else.
//
// It knows no server, no request and no clock.
package page
