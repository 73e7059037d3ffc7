package recognize_test

import (
	"testing"

	"github.com/scout-speech/scout/internal/recognize"
)

// With the fast model only, it does the work of the accurate one, unless somebody names a model.
func TestTheFastModelOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	install(t, dir, "fast", understood)
	install(t, dir, "accurate", understood)
	e := newEngines(t, dir, func(o *recognize.EnginesOptions) {
		o.Default, o.Roles = "", recognize.Roles{Fast: "fast", Accurate: "accurate"}
	})
	for _, c := range []struct {
		ease        recognize.Ease
		named, want string
	}{
		{want: "accurate"},
		{ease: recognize.Ease{FastOnly: true}, want: "fast"},
		{ease: recognize.Ease{FastOnly: true}, named: "accurate", want: "accurate"},
		{want: "accurate"},
	} {
		e.Ease(c.ease)
		r, release, err := e.BorrowFor(t.Context(), c.named, recognize.Accurate, "en")
		if err != nil {
			t.Fatal(err)
		}
		if release(); r.Model.ID != c.want {
			t.Errorf("%+v, %q was named: %s, want %s", c.ease, c.named, r.Model.ID, c.want)
		}
	}
}
