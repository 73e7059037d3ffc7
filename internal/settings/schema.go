package settings

import (
	"strings"
	"time"
)

// Schema returns the JSON Schema (2020-12) of the settings by group and name: what people call each, what it is, its default, and what is allowed.
func Schema() map[string]any {
	groups := map[string]any{}
	for _, f := range fields(Default()) {
		group, name, _ := strings.Cut(f.name, ".")
		if groups[group] == nil {
			groups[group] = map[string]any{"type": "object", "title": titleOf(group), "additionalProperties": false, "properties": map[string]any{}}
		}
		property := map[string]any{"type": "string", "title": titleOf(f.name), "description": f.about, "default": f.text()}
		switch v := f.value.(type) {
		case int:
			property["type"], property["default"], property["minimum"], property["maximum"] = "integer", v, *f.min, *f.max
			if f.zero != "" {
				delete(property, "type")
				property["anyOf"] = []map[string]any{{"type": "integer"}, {"type": "string", "enum": []string{f.zero}}}
				property["default"] = f.text()
			}
		case time.Duration:
			property["pattern"] = `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$|^0$`
		case string:
			if len(f.want) > 0 {
				words := f.want
				if v == "" {
					words = append([]string{""}, words...)
				}
				property["enum"] = words
			}
		}
		if f.unset != "" {
			property["x-unset"] = f.unset
		}
		groups[group].(map[string]any)["properties"].(map[string]any)[name] = property //nolint:forcetypeassert,errcheck // made above
	}
	return map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Settings of Scout", "type": "object", "additionalProperties": false, "properties": groups,
	}
}

// Names returns the names of all settings, in the order of the document.
func Names() []string {
	var names []string
	for _, f := range fields(Default()) {
		names = append(names, f.name)
	}
	return names
}

// FromText returns a change whose value is written as in the environment or on a command line. Save says what is wrong with it.
func FromText(name, text string) Change {
	for _, f := range fields(Default()) {
		if _, number := f.value.(int); f.name == name && number {
			if n, err := f.fromText(text); err == nil {
				return Change{name, int64(n.(int))} //nolint:forcetypeassert,errcheck // a number
			}
		}
	}
	return Change{name, text}
}
