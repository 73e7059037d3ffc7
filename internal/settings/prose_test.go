package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// namedSetting is a setting in a text, with the value behind it in brackets, if there is one: `limits.streams` (256).
var namedSetting = regexp.MustCompile("`([a-z]+)\\.([a-z_]+)(?: ?= ?\"?[^`]*)?`(?: \\(([^)]*)\\))?")

// valueIn reads a value as the texts have it: 2 GiB, 12 h, 600. known is false for what is no value.
func valueIn(text string) (value float64, known bool) {
	m := regexp.MustCompile(`^([0-9][0-9,]*)(?: ?(GiB|MiB|h|min|s))?$`).FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(m[1], ",", ""), 64)
	unit := map[string]float64{"": 1, "GiB": 1 << 30, "MiB": 1 << 20, "h": 3600, "min": 60, "s": 1}[m[2]]
	return n * unit, err == nil
}

// The settings that the texts about HTTP name are there, and the values that stand behind them are the defaults.
func TestTheSettingsInProse(t *testing.T) {
	t.Parallel()
	defaults, groups := map[string]field{}, map[string]bool{}
	for _, f := range fields(Default()) {
		defaults[f.name] = f
		group, _, _ := strings.Cut(f.name, ".")
		groups[group] = true
	}
	checked := 0
	for _, name := range []string{"API.md", "RUNBOOK.md", "formats/api.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range namedSetting.FindAllStringSubmatch(string(text), -1) {
			if !groups[m[1]] || strings.HasSuffix("x."+m[2], ".md") {
				continue
			}
			f, found := defaults[m[1]+"."+m[2]]
			event := regexp.MustCompile(`^(recorder|recording|transcript|job|upload|model|device|health|degradation|settings|live|daemon)\.[a-z]+$|^engine\.transcribe$`).MatchString(m[1] + "." + m[2])
			if !found {
				if !event || m[1] == "live" {
					t.Errorf("%s: there is no setting %s.%s", name, m[1], m[2])
				}
				continue
			}
			value, known := valueIn(m[3])
			if !known {
				continue
			}
			checked++
			var want float64
			switch v := f.value.(type) {
			case int:
				want = float64(v)
			case time.Duration:
				want = v.Seconds()
			default:
				t.Errorf("%s: %s has the value %s, which is no number", name, f.name, m[3])
				continue
			}
			if value != want {
				t.Errorf("%s: %s is %s there, and %s by default", name, f.name, m[3], fmt.Sprint(f.value))
			}
		}
	}
	if checked < 6 {
		t.Errorf("only %d values were found: the test no longer reads the texts", checked)
	}
}
