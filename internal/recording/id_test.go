package recording_test

import (
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/recording"
)

func TestID(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 8, 21, 46, 123456789, time.FixedZone("east", 7200))
	id := recording.NewID(at)
	if got := string(id[:20]); got != "20261124T062146123Z-" {
		t.Errorf("time part %q", got)
	}
	back, ok := id.Time()
	if !ok || !back.Equal(at.Truncate(time.Millisecond)) {
		t.Errorf("Time() = %v, %v; want %v", back, ok, at.Truncate(time.Millisecond))
	}
	if other := recording.NewID(at); other == id {
		t.Errorf("two IDs of the same moment are equal: %s", id)
	}
	if later := recording.NewID(at.Add(time.Millisecond)); later <= id {
		t.Errorf("%s does not sort after %s", later, id)
	}
}

func TestIDValid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		id   recording.ID
		want bool
	}{
		{"made by NewID", recording.NewID(time.Unix(0, 0)), true},
		{"empty", "", false},
		{"a path", "../../../../etc/passwd-012345678", false},
		{"month 13", "20261324T062146123Z-7f3a9c2e41d0", false},
		{"upper case", "20261124T062146123Z-7F3A9C2E41D0", false},
		{"slash in the random part", "20261124T062146123Z-7f3a9c2e41d/", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.id.Valid(); got != c.want {
				t.Errorf("Valid(%q) = %v, want %v", c.id, got, c.want)
			}
		})
	}
}
