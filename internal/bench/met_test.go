package bench

import (
	"strings"
	"testing"
)

func TestFiguresThatAreNotMetAreNamed(t *testing.T) {
	t.Parallel()
	figures := []Figure{
		Figure{Name: "quick", Bound: 10, Value: 9}.judged(), Figure{Name: "free", Value: 9}.judged(), Figure{Name: "none lost", None: true}.judged(),
	}
	if err := Met(figures); err != nil {
		t.Errorf("all are met: %v", err)
	}
	for name, f := range map[string]Figure{
		"slow": {Bound: 10, Value: 11}, "too few": {Bound: 10, Value: 9, AtLeast: true}, "some lost": {None: true, Value: 1}, "no value": {Bound: 10, Unmeasured: true},
	} {
		f.Name = name
		if err := Met(append(figures, f.judged())); err == nil || !strings.Contains(err.Error(), "1 bound not met: "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
