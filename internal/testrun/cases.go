package testrun

import (
	"os"
	"slices"
	"testing"
)

// casesEnv has tests try every case; scripts/fuzz.sh sets it.
const casesEnv = "SCOUT_EVERY_CASE"

// EveryCase tells whether all cases of long tables are tried, as make fuzz does. make test tries those that stand for a kind of file, of damage,
// of sound, and of way through the code, because each case starts programs or decodes with a model. What is left out differs from a case that
// stays in a rate, a number of channels, a codec in the same container, or in what chance makes of it.
func EveryCase() bool { return os.Getenv(casesEnv) != "" }

// Some returns the cases with these names, in the order of the table, or all of them if EveryCase. It fails the test if there is no case
// of such a name.
func Some[C any](t testing.TB, cases []C, name func(C) string, names ...string) []C {
	t.Helper()
	kept := slices.DeleteFunc(slices.Clone(cases), func(c C) bool { return !slices.Contains(names, name(c)) })
	for _, n := range names {
		if !slices.ContainsFunc(kept, func(c C) bool { return name(c) == n }) {
			t.Fatalf("there is no case %q", n)
		}
	}
	if EveryCase() {
		return cases
	}
	return kept
}

// SomeOf is Some for cases by their names.
func SomeOf[C any](t testing.TB, cases map[string]C, names ...string) map[string]C {
	t.Helper()
	kept := map[string]C{}
	for _, name := range names {
		c, there := cases[name]
		if !there {
			t.Fatalf("there is no case %q", name)
		}
		kept[name] = c
	}
	if EveryCase() {
		return cases
	}
	return kept
}
