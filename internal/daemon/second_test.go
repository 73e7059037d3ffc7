package daemon

import (
	"strings"
	"testing"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/dictate"
	"github.com/scout-speech/scout/internal/model"
)

// Where the model that writes is also the accurate one, the status says what helps: to install another model, or to choose one.
func TestWhyThereIsNoSecondPass(t *testing.T) {
	t.Parallel()
	h := newModelHouse(t)
	h.strain, h.dictations = h.newStrain(), dictate.New(dictate.Options{})
	h.put("a")
	h.selectModel("a")
	if got := h.secondPass(t.Context()); got.State != v1.SecondPassNone || !strings.Contains(got.Reason, "no other model than the one that writes is installed") {
		t.Errorf("with one model: %+v", got)
	}
	h.put("b")
	if got := h.secondPass(t.Context()); got.State != v1.SecondPassNone || !strings.Contains(got.Reason, "a is both the fast and the accurate model") {
		t.Errorf("with two models: %+v", got)
	}
}

// Where the settings want no second pass, no text is told as one that may be revised.
func TestWhetherASecondPassIsWanted(t *testing.T) {
	t.Parallel()
	for setting, wanted := range map[string]bool{"SCOUT_DICTATION__SECOND_PASS=off": false, "SCOUT_TRANSCRIBE__MODEL=a": false, "SCOUT_DICTATION__SECOND_PASS=on": true} {
		d := &daemon{options: Options{Settings: loaded(t, setting)}}
		if got := d.secondPasses() != nil; got != wanted {
			t.Errorf("%s: %t", setting, got)
		}
	}
}

// selectModel makes a model the one for everything, as scout models use does.
func (h *modelHouse) selectModel(id string) {
	h.t.Helper()
	models, err := model.Open(h.dir, h.options.Scope)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := models.Use(h.t.Context(), id); err != nil {
		h.t.Fatal(err)
	}
}
