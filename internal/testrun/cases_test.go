package testrun_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/scout-speech/scout/internal/testrun"
)

// make test tries the cases that are named, in the order of the table, and make fuzz all.
func TestSomeCases(t *testing.T) { //nolint:paralleltest // it sets a variable of the environment
	list := []string{"a", "b", "c"}
	table := map[string]int{"a": 1, "b": 2, "c": 3}
	same := func(s string) string { return s }
	for every, want := range map[string][]string{"": {"a", "c"}, "1": list} {
		t.Setenv("SCOUT_EVERY_CASE", every)
		if got := testrun.Some(t, list, same, "c", "a"); !slices.Equal(got, want) {
			t.Errorf("with %q: %q, want %q", every, got, want)
		}
		if got := slices.Sorted(maps.Keys(testrun.SomeOf(t, table, "c", "a"))); !slices.Equal(got, want) {
			t.Errorf("with %q: %q, want %q", every, got, want)
		}
	}
}
