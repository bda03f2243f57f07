package admin

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
)

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	report := s.report(r.Context())
	if wantsText(r) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(report.Text()))
		return
	}
	writeJSON(w, http.StatusOK, report)
}

// wantsText reports whether the answer should be lines rather than JSON: asked for by ?format=text,
// or because text/plain is the first kind that the client accepts.
func wantsText(r *http.Request) bool {
	if format := r.URL.Query().Get("format"); format != "" {
		return format == "text"
	}
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	first, _, _ = strings.Cut(first, ";")
	return strings.TrimSpace(first) == "text/plain"
}

func (s *Server) schema(w http.ResponseWriter, _ *http.Request) {
	doc := schemaOf(reflect.TypeFor[Report](), "")
	doc["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	doc["title"] = "State of a zkd server"
	writeJSON(w, http.StatusOK, doc)
}

// schemaOf returns the JSON Schema of a type of [Report], with the doc tags as descriptions, so that
// document and description cannot part.
func schemaOf(t reflect.Type, doc string) map[string]any {
	m := map[string]any{}
	if doc != "" {
		m["description"] = doc
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		m["type"], m["format"] = "string", "date-time"
	case t.Kind() == reflect.Pointer:
		m = schemaOf(t.Elem(), doc)
		m["type"] = []any{m["type"], "null"}
	case t.Kind() == reflect.Slice:
		m["type"], m["items"] = "array", schemaOf(t.Elem(), "")
	case t.Kind() == reflect.Struct:
		properties := map[string]any{}
		var required []string
		for f := range t.Fields() {
			name := f.Tag.Get("json")
			properties[name] = schemaOf(f.Type, f.Tag.Get("doc"))
			required = append(required, name)
		}
		slices.Sort(required)
		m["type"], m["properties"], m["required"] = "object", properties, required
	case t.Kind() == reflect.Bool:
		m["type"] = "boolean"
	case t.Kind() == reflect.Float64:
		m["type"] = "number"
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		m["type"] = "integer"
	default:
		m["type"] = "string"
	}
	return m
}

// writeJSON answers v, indented as ZooKeeper's AdminServer does: people read it too.
func writeJSON(w http.ResponseWriter, code int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n'))
}
