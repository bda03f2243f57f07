package config

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestEverySettingOfAZooCfgIsAccountedFor(t *testing.T) {
	for _, file := range testdata(t, "*.cfg") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, c, notices, err := parseTestdata(t, file)
			if err != nil {
				return // import prints nothing
			}
			lines := Account(filepath.Base(file), text, c, notices)
			properties, _ := parseProperties(text)
			if len(lines) != len(properties) {
				t.Fatalf("%d lines of %d settings", len(lines), len(properties))
			}
			for i, l := range lines {
				if l.Number != properties[i].line || l.Fate == "" || strings.HasSuffix(l.Fate, " ") {
					t.Errorf("%+v", l)
				}
			}
			compareGolden(t, strings.TrimSuffix(file, ".cfg")+".import", Imported(filepath.Base(file), text, c, notices))
		})
	}
}

func TestAnImportedConfigurationIsTheSame(t *testing.T) {
	for _, file := range testdata(t, "*.cfg") {
		text, c, notices, err := parseTestdata(t, file)
		if err != nil {
			continue
		}
		again, _, err := Parse("zkd.toml", []byte(Imported(filepath.Base(file), text, c, notices)), testFiles(text))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if live, waiting := Changes(c, again); len(live) > 0 || len(waiting) > 0 {
			t.Errorf("%s: %v %v differ", file, live, waiting)
		}
	}
}

func TestNoSecretIsInTheAccount(t *testing.T) {
	const text = "clientPort=2181\ndataDir=/d\nssl.keyStore.password=hunter2\nzookeeper.DigestAuthenticationProvider.superDigest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs=\n"
	c, notices, err := Parse("zoo.cfg", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range Account("zoo.cfg", []byte(text), c, notices) {
		if strings.Contains(l.Fate, "hunter2") || strings.Contains(l.Fate, "xQJ") {
			t.Errorf("%+v", l)
		}
	}
}
