package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Key describes one key of zkd.toml. The manual page zkd.toml(5) is checked against the list.
type Key struct {
	// Name with its table: "session.tick_time". An N stands for a number: "servers.N".
	Name string
	// Type in the words of the manual: duration, size, integer, boolean, string, list of strings, or
	// the values to choose from.
	Type string
	// Default as it would be written in the file, or what stands in for the key in words.
	Default string
	// Doc is one or more sentences.
	Doc string
	// Live says that a reload changes it while the server runs.
	Live bool
}

// field binds one key to its place in a Config.
type field struct {
	Key
	// secret values are never shown; prose marks a Default that is words and not a value.
	secret, prose bool
	// decode stores a value as package toml delivers it: string, int64, bool, float64 or []any. It
	// returns "" or what the value must be.
	decode func(c *Config, v any) (must string)
	// text is the value as TOML.
	text func(c *Config) string
	// check returns "" or what is wrong with the value; nil accepts all values of the type.
	check func(c *Config) (wrong string)
}

func (f field) reloadable() field {
	f.Live = true
	return f
}

func (f field) secretField() field {
	f.secret = true
	return f
}

func (f field) checked(check func(c *Config) string) field {
	f.check = check
	return f
}

// defaultFix is what a Problem says to do about a wrong value.
func (f field) defaultFix() string {
	if f.prose || f.secret {
		return ""
	}
	return "the default is " + f.Default
}

// defaultText fills in the default as Default has it.
func (f field) defaultText() field {
	d := Default()
	f.Default = f.text(&d)
	return f
}

func textField(name, doc string, at func(*Config) *string) field {
	return field{
		Key: Key{Name: name, Type: "string", Doc: doc},
		decode: func(c *Config, v any) string {
			s, ok := v.(string)
			if !ok {
				return `must be a string, in quotes`
			}
			*at(c) = s
			return ""
		},
		text: func(c *Config) string { return quote(*at(c)) },
	}
}

// choiceField is a string that is one of values.
func choiceField(name, doc string, at func(*Config) *string, values ...string) field {
	f := textField(name, doc, at)
	f.Type = strings.Join(values, " | ")
	f.check = func(c *Config) string {
		if slices.Contains(values, *at(c)) {
			return ""
		}
		return "must be " + orList(values)
	}
	return f
}

func boolField(name, doc string, at func(*Config) *bool) field {
	return field{
		Key: Key{Name: name, Type: "boolean", Doc: doc},
		decode: func(c *Config, v any) string {
			b, ok := v.(bool)
			if !ok {
				return "must be true or false, without quotes"
			}
			*at(c) = b
			return ""
		},
		text: func(c *Config) string { return strconv.FormatBool(*at(c)) },
	}
}

// intField is an integer from low to high. zero, if not "", allows 0 and says what it means.
func intField(name, doc string, at func(*Config) *int, low, high int, zero string) field {
	return field{
		Key: Key{Name: name, Type: "integer", Doc: doc},
		decode: func(c *Config, v any) string {
			n, ok := v.(int64)
			if !ok || n < math.MinInt32 || n > math.MaxInt32 {
				return "must be a whole number below 2^31, without quotes"
			}
			*at(c) = int(n)
			return ""
		},
		text: func(c *Config) string { return strconv.Itoa(*at(c)) },
		check: func(c *Config) string {
			return bounds(*at(c), low, high, zero, func(n int) string { return strconv.Itoa(n) })
		},
	}
}

func durationField(name, doc string, at func(*Config) *time.Duration, low, high time.Duration, zero string) field {
	return field{
		Key: Key{Name: name, Type: "duration", Doc: doc},
		decode: func(c *Config, v any) string {
			s, ok := v.(string)
			d, err := time.ParseDuration(s)
			if !ok || err != nil {
				return `must be a duration in quotes, such as "500ms", "2s", "10m" or "1h"`
			}
			*at(c) = d
			return ""
		},
		text: func(c *Config) string { return quote(formatDuration(*at(c))) },
		check: func(c *Config) string {
			return bounds(*at(c), low, high, zero, formatDuration)
		},
	}
}

func sizeField(name, doc string, at func(*Config) *Size, low, high Size, zero string) field {
	return field{
		Key: Key{Name: name, Type: "size", Doc: doc},
		decode: func(c *Config, v any) string {
			switch v := v.(type) {
			case int64:
				*at(c) = Size(v)
				return ""
			case string:
				if s, err := ParseSize(v); err == nil {
					*at(c) = s
					return ""
				}
			}
			return `must be a size such as "512KiB", "64MiB" or "4GiB", or a number of bytes`
		},
		text: func(c *Config) string { return quote(at(c).String()) },
		check: func(c *Config) string {
			return bounds(*at(c), low, high, zero, Size.String)
		},
	}
}

func listField(name, doc string, at func(*Config) *[]string) field {
	return field{
		Key: Key{Name: name, Type: "list of strings", Doc: doc},
		decode: func(c *Config, v any) string {
			const must = `must be a list of strings, such as ["a", "b"]`
			elements, ok := v.([]any)
			if !ok {
				return must
			}
			list := make([]string, len(elements))
			for i, e := range elements {
				if list[i], ok = e.(string); !ok {
					return must
				}
			}
			*at(c) = list
			return ""
		},
		text: func(c *Config) string { return quoteAll(*at(c)) },
	}
}

// addressesField is a list of addresses to listen on.
func addressesField(name, doc string, at func(*Config) *[]string) field {
	return listField(name, doc, at).checked(func(c *Config) string {
		list := *at(c)
		for i, a := range list {
			if _, _, wrong := splitHostPort(a); wrong != "" {
				return fmt.Sprintf("%q: %s", a, wrong)
			}
			for _, b := range list[:i] {
				if collide(a, b) {
					return fmt.Sprintf("%q and %q take the same port; [::] and an empty host listen for IPv4 too", b, a)
				}
			}
		}
		return ""
	})
}

func bounds[T int | Size | time.Duration](v, low, high T, zero string, text func(T) string) string {
	allowed := ""
	if zero != "" {
		if v == 0 {
			return ""
		}
		allowed = "0 (" + zero + ") or "
	}
	switch {
	case v < low:
		return "must be " + allowed + "at least " + text(low)
	case v > high:
		return "must be " + allowed + "at most " + text(high)
	}
	return ""
}

// orList joins values for a sentence: `"a", "b" or "c"`.
func orList(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quote(v)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}
