package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

func TestAFailureOfTheStoreItselfIsTold(t *testing.T) {
	t.Parallel()
	missing := scout.Errorf(scout.CodeFileNotFound, "there is no such file")
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{store.Away(nil), false},
		{missing, false}, // it may be any file
		{store.Away(missing), true},
		{fmt.Errorf("keep a text: %w", errors.Join(errors.New("other"), store.Away(missing))), true},
		{scout.Errorf(scout.CodeStoreCorrupt, "damaged"), true},
		{scout.Errorf(scout.CodeStoreLocked, "locked"), true},
		{scout.Errorf(scout.CodeDiskFull, "full"), false}, // it may be any disk
		{scout.Errorf(scout.CodeConflict, "conflict"), false},
	} {
		if got := store.IsAway(c.err); got != c.want {
			t.Errorf("%v: %t, want %t", c.err, got, c.want)
		}
	}
	if err := store.Away(missing); scout.CodeOf(err) != scout.CodeFileNotFound || err.Error() != missing.Error() {
		t.Errorf("%v (%s), want the same words and code", err, scout.CodeOf(err))
	}
}
