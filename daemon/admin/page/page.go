package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/url"
)

var (
	//go:embed page.html
	markup string
	//go:embed page.css
	styles string
	//go:embed page.js
	script string
)

// Page draws views. It may be used by many at once.
type Page struct {
	tmpl *template.Template
}

// New makes a Page.
func New() *Page { return &Page{template.Must(template.New("").Parse(markup))} }

// Policy is the Content-Security-Policy that the page needs: its own styles, script and icon, and questions of
// the script to the server that it came from.
func (*Page) Policy() string {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return fmt.Sprintf("default-src 'none'; style-src %s; script-src %s; img-src data:; connect-src 'self'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'", hash(styles), hash(script))
}

// document is what the template takes.
type document struct {
	View
	Icon    template.URL
	CSS     template.CSS
	Script  template.JS
	Picture picture
	Curves  []curves
}

// Render returns the HTML document of a view.
func (p *Page) Render(v View) ([]byte, error) {
	d := document{View: v, Icon: icon(v.Level), CSS: template.CSS(styles), Script: template.JS(script)}
	if v.Ensemble != nil {
		d.Picture = draw(v.Ensemble.Members)
	}
	for _, one := range v.Plots {
		d.Curves = append(d.Curves, plot(one))
	}
	var b bytes.Buffer
	if err := p.tmpl.ExecuteTemplate(&b, "page", d); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return b.Bytes(), nil
}

// icon is shown in the tab of the browser: a shape and a colour for each level.
func icon(l Level) template.URL {
	shape := map[Level]string{
		Good:    `<circle cx="8" cy="8" r="7" fill="#1a7f45"/><path d="M4.3 8.4l2.6 2.6 4.8-5.4" fill="none" stroke="#fff" stroke-width="2"/>`,
		Warning: `<path d="M8 1l7.5 14H.5z" fill="#d98c00"/><path d="M8 5.6v4.6m0 1.6v1.4" stroke="#fff" stroke-width="2"/>`,
		Error:   `<rect width="16" height="16" rx="3" fill="#c22f2f"/><path d="M4.5 4.5l7 7m0-7l-7 7" stroke="#fff" stroke-width="2.2"/>`,
	}[l]
	return template.URL("data:image/svg+xml," + url.PathEscape(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">`+shape+`</svg>`))
}
