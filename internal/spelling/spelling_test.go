package spelling_test

import (
	"testing"

	"github.com/scout-speech/scout/internal/spelling"
)

func TestClosest(t *testing.T) {
	t.Parallel()
	list := []string{"log.level", "log.format", "models.dir", "SCOUT_LOG__LEVEL"}
	for situation, c := range map[string]struct{ word, want string }{
		"the same":              {"log.level", "log.level"},
		"two letters swapped":   {"log.levle", "log.level"},
		"a letter too few":      {"log.leel", "log.level"},
		"a letter too many":     {"models.dirs", "models.dir"},
		"another case":          {"scout_log__level", "SCOUT_LOG__LEVEL"},
		"a beginning":           {"mod", "models.dir"},
		"nothing like it":       {"weather", ""},
		"empty":                 {"", ""},
		"letters outside ASCII": {"log.lével", "log.level"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			if got := spelling.Closest(c.word, list); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"1 channel": spelling.Count(1, "channel"), "0 channels": spelling.Count(0, "channel"), "2 channels": spelling.Count(2, "channel"),
		"1 stretch": spelling.Count(uint64(1), "stretch"), "2 stretches": spelling.Count(int64(2), "stretch"), "-1 frames": spelling.Count(-1, "frame"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
