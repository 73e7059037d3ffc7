package settings

import (
	"strings"
	"testing"
)

// Titles belong to settings that there are, and two settings of a group have two.
func TestTitles(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	said := map[string]string{}
	for _, f := range fields(Default()) {
		group, _, _ := strings.Cut(f.name, ".")
		known[group], known[f.name] = true, true
		title := titleOf(f.name)
		if title == "" || strings.ContainsAny(title, "_.") && !strings.Contains(f.name, "aliases") {
			t.Errorf("%s is called %q", f.name, title)
		}
		if other := said[group+" "+title]; other != "" {
			t.Errorf("%s and %s are both called %q", other, f.name, title)
		}
		said[group+" "+title] = f.name
	}
	for name := range titles {
		if !known[name] {
			t.Errorf("there is a title for %s, and no such setting", name)
		}
	}
	if got := titleOf("new.http_addr"); got != "HTTP addr" {
		t.Errorf("a setting without a title is called %q", got)
	}
}
