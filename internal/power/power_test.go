package power_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/scout-speech/scout/internal/power"
)

func TestMains(t *testing.T) {
	t.Parallel()
	type supply map[string]string
	for situation, c := range map[string]struct {
		supplies map[string]supply
		want     bool
	}{
		"nothing is told":             {nil, true},
		"a charger":                   {map[string]supply{"AC": {"type": "Mains", "online": "1"}, "BAT0": {"type": "Battery", "status": "Charging"}}, true},
		"no charger":                  {map[string]supply{"AC": {"type": "Mains", "online": "0"}, "BAT0": {"type": "Battery", "status": "Discharging"}}, false},
		"a charger by USB":            {map[string]supply{"AC": {"type": "Mains", "online": "0"}, "C1": {"type": "USB", "online": "1"}, "BAT0": {"type": "Battery", "status": "Discharging"}}, true},
		"a battery that is full":      {map[string]supply{"BAT0": {"type": "Battery", "status": "Full"}}, true},
		"two batteries, one gives":    {map[string]supply{"BAT0": {"type": "Battery", "status": "Full"}, "BAT1": {"type": "Battery", "status": "Discharging"}}, false},
		"the battery of a mouse":      {map[string]supply{"hidpp": {"type": "Battery", "scope": "Device", "status": "Discharging"}}, true},
		"a UPS that gives":            {map[string]supply{"ups": {"type": "UPS", "scope": "System", "status": "Discharging"}}, false},
		"a charger that says nothing": {map[string]supply{"AC": {"type": "Mains"}, "BAT0": {"type": "Battery", "status": "Discharging"}}, false},
	} {
		dir := filepath.Join(t.TempDir(), "power_supply")
		for name, files := range c.supplies {
			if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
			for file, text := range files {
				if err := os.WriteFile(filepath.Join(dir, name, file), []byte(text+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := power.Mains(dir); got != c.want {
			t.Errorf("%s: %v", situation, got)
		}
	}
}
