package quickselect

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestNth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.SampledFrom([]float64{-1, 0, 0.5, 0.5, 1, 2, 1e9}), 1, 60).Draw(t, "values")
		k := rapid.IntRange(0, len(values)-1).Draw(t, "k")
		want := slices.Sorted(slices.Values(values))[k]
		if got := Nth(values, k); got != want || k > 0 && slices.Max(values[:k]) > want {
			t.Fatalf("%v is number %d, want %v; before it %v", got, k, want, values[:k])
		}
	})
}
