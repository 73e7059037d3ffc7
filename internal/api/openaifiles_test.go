package api_test

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/scout-speech/scout/internal/api"
	"github.com/scout-speech/scout/internal/api/openai/files/filestest"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
)

// filing has a server make texts of files for clients of OpenAI, by an engine of the tests.
func filing(s *served) {
	o := filestest.Options(s.t, filepath.Join(s.dir, "openai"), filestest.Model{ID: "mine", Languages: `["en"]`}, filestest.Model{ID: "several", Languages: `["en","de"]`})
	o.Scope = observe.NewScope(nil, s.registry, nil)
	o.Failures, o.History = observe.NewFailures(o.Scope), s.history
	o.Remove = func(context.Context, string) error { return nil }
	if engines, is := o.Engines.(*recognize.Engines); is {
		s.ends = append(s.ends, engines.Close)
	}
	s.services.OpenAI = &o
}

// realForm is the body of an example as it is sent: with the lines and the audio of a real one, where it is a form.
func realForm(body string) string {
	if !strings.Contains(body, "Content-Disposition") {
		return body
	}
	return strings.ReplaceAll(strings.ReplaceAll(body, "\n", "\r\n"), "RIFF…", string(filestest.WAV(time.Second, nil)))
}

// headersOf are those of an example, names and values.
func headersOf(e api.Example) (list []string) {
	for _, header := range e.Headers {
		name, value, _ := strings.Cut(header, ": ")
		list = append(list, name, value)
	}
	return list
}
