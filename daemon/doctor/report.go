package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// Severity says how bad a finding is, in the words of /status.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Finding is one thing that an operator should know.
type Finding struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	Text     string   `json:"text"`
	Fix      string   `json:"fix"`
}

// Report is the judgement.
type Report struct {
	Problems int       `json:"problems"`
	Warnings int       `json:"warnings"`
	Findings []Finding `json:"findings"`
	// Fine are the checks that found nothing.
	Fine   []string `json:"fine"`
	Unseen []Unseen `json:"unseen"`
}

// check is one question, with a name for people.
type check struct {
	name string
	// seen says that the facts for it are there.
	seen func(*Facts) bool
	find func(*Facts) []Finding
	// part says what of it these facts do not tell; nil where they tell all. Then it is not fine, either.
	part func(*Facts) []Unseen
}

// Judge judges.
func Judge(f Facts) Report {
	r := Report{Findings: []Finding{}, Fine: []string{}, Unseen: append([]Unseen{}, f.Unseen...)}
	for _, c := range checks() {
		if c.seen != nil && !c.seen(&f) {
			continue
		}
		found := c.find(&f)
		var part []Unseen
		if c.part != nil {
			part = c.part(&f)
			r.Unseen = append(r.Unseen, part...)
		}
		if len(found) == 0 && part == nil {
			r.Fine = append(r.Fine, c.name)
		}
		before := r.Findings
		for _, one := range found {
			if !slices.ContainsFunc(before, one.repeats) {
				r.Findings = append(r.Findings, one)
			}
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		if a.Severity != b.Severity {
			return strings.Compare(string(a.Severity), string(b.Severity)) // error is before warning
		}
		return strings.Compare(a.Code, b.Code)
	})
	for _, one := range r.Findings {
		if one.Severity == Error {
			r.Problems++
		} else {
			r.Warnings++
		}
	}
	return r
}

// repeats reports whether another, which was judged before, says the same and knows more: which rule shuts a port, or
// what the server says of itself.
func (f Finding) repeats(other Finding) bool {
	return f.Code == other.Code && (f.Text == other.Text || f.Code == "Z101" || f.Code == "Z104" || f.Code == "Z401")
}

// Summary is the last line: "2 problems, 1 warning, 14 fine".
func (r Report) Summary() string {
	text := fmt.Sprintf("%s, %s, %d fine", count(r.Problems, "problem"), count(r.Warnings, "warning"), len(r.Fine))
	if n := len(r.Unseen); n > 0 {
		text += fmt.Sprintf(", %d not looked at", n)
	}
	return text
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Text is the report for people: findings, what could not be seen, the summary.
func (r Report) Text() string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %-7s  %s\n", f.Code, f.Severity, f.Text)
		if f.Fix != "" {
			fmt.Fprintf(&b, "              -> %s\n", f.Fix)
		}
	}
	for _, u := range r.Unseen {
		fmt.Fprintf(&b, "not looked at: %s: %s\n", u.What, u.Why)
	}
	b.WriteString(r.Summary() + "\n")
	return b.String()
}
