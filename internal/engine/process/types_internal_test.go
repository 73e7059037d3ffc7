package process

import (
	"reflect"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// unset returns the names of the fields of a struct that have the zero value.
func unset(v any) (names []string) {
	value := reflect.ValueOf(v)
	for i := range value.NumField() {
		if value.Field(i).IsZero() {
			names = append(names, value.Type().Field(i).Name)
		}
	}
	return names
}

// Nothing that a caller asks for is lost on the way to the engine.
func TestEveryOptionIsSent(t *testing.T) {
	t.Parallel()
	request := Request{
		Samples: []float32{1}, Class: schedule.SecondPass, Client: "c", Words: true, Tokens: true, Language: "de", Translate: true, Beam: 5, Once: true, Prompt: "p",
		Tail: 5 * time.Second, Known: []int32{1}, HotWords: []string{"w"}, Keep: true, Score: &Score{Words: []string{"w"}},
	}
	if names := unset(request); names != nil {
		t.Fatalf("the test leaves out %v", names)
	}
	frame := request.frame("trace")
	if names := unset(frame.Options); names != nil {
		t.Errorf("not sent: %v", names)
	}
	if frame.Options.TailMS != 5000 {
		t.Errorf("a tail of %d ms", frame.Options.TailMS)
	}
}

// Nothing that the engine tells about a model is lost.
func TestEveryFactIsKept(t *testing.T) {
	t.Parallel()
	hello := wire.Hello{
		Version: "v", PID: 1, Backend: "b", ModelID: "m", Family: "f", Languages: []string{"en"}, MaxFrames: 1, Slots: 1, Steps: true,
		LogProbs: true, WordTimes: true, Continues: true, HotWords: true, Translates: true, DetectsLanguage: true, Scores: true,
		LoadMS: 1,
	}
	if names := unset(factsOf(hello)); names != nil {
		t.Errorf("lost: %v", names)
	}
}
