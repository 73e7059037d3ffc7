package openai_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

func TestNamesOfModels(t *testing.T) {
	t.Parallel()
	names := openai.Names{
		Aliases: map[string]string{"gpt-transcribe": "big/one"},
		List: func(context.Context) ([]v1.Model, error) {
			return []v1.Model{{ID: "tiny", State: v1.ModelInstalled}, {ID: "big/one", State: v1.ModelInstalled}, {ID: "away", State: v1.ModelAvailable}, {ID: "ill", State: v1.ModelCorrupt}}, nil
		},
	}
	for asked, want := range map[string]openai.Name{
		"": {Open: true}, "default": {Asked: "default", Open: true}, "tiny": {Asked: "tiny", ID: "tiny"}, "big/one": {Asked: "big/one", ID: "big/one"},
		"whisper-1": {Asked: "whisper-1", Open: true}, "gpt-transcribe": {Asked: "gpt-transcribe", ID: "big/one", Open: true},
	} {
		if got, err := names.Resolve(t.Context(), asked); err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", asked, got, err, want)
		}
	}
	for asked, code := range map[string]scout.Code{"away": scout.CodeModelNotInstalled, "ill": scout.CodeModelNotInstalled, "gpt-5": scout.CodeModelUnknown, "Tiny": scout.CodeModelUnknown} {
		_, err := names.Resolve(t.Context(), asked)
		status, body := openai.ErrorOf(err)
		if scout.CodeOf(err) != code || status != http.StatusNotFound || body.Error.Code == nil || *body.Error.Code != "model_not_found" || body.Error.Param != nil {
			t.Errorf("%q: %v, status %d, %+v", asked, err, status, body)
		}
		if !strings.Contains(body.Error.Message, asked) || !strings.Contains(body.Error.Message, "tiny, big/one") {
			t.Errorf("%q: the message names neither it nor what is installed: %s", asked, body.Error.Message)
		}
	}
}

func TestLanguages(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"en": "en", "EN": "en", "en-US": "en", "English": "en", "german": "de", "castilian": "es", "Myanmar": "my", " fr ": "fr"} { //nolint:gocritic // the spaces are meant
		got, err := openai.ParseLanguages(text, []string{"en", "", text})
		if err != nil || len(got) == 0 || got[0] != want || len(slices.Compact(slices.Sorted(slices.Values(got)))) != len(got) {
			t.Errorf("%q: %v, %v; want %s first, each once", text, got, err, want)
		}
	}
	if got, err := openai.ParseLanguages("", nil); err != nil || len(got) != 0 {
		t.Errorf("no language: %v, %v", got, err)
	}
	for param, of := range map[string][2]string{"language": {"klingonese", "en"}, "languages": {"en", "klingonese"}} {
		_, err := openai.ParseLanguages(of[0], []string{of[1]})
		status, body := openai.ErrorOf(err)
		if status != http.StatusBadRequest || body.Error.Param == nil || *body.Error.Param != param || *body.Error.Code != openai.CodeLanguageFormat {
			t.Errorf("%v: %d %+v", of, status, body)
		}
	}
	for code, want := range map[string]string{"en": "english", "de": "german", "": "unknown", "my": "myanmar", "zh": "chinese", "qqq": "unknown"} {
		if got := openai.LanguageName(code); got != want {
			t.Errorf("the name of %q is %q, want %q", code, got, want)
		}
	}
}

func TestPreferences(t *testing.T) {
	t.Parallel()
	got, err := openai.Prefer([]string{"Zoë", " big  data ", "Zoë", ""}, "Scout, Ypsilanti; one two three four five six\nlast phrase")
	if want := []string{"Zoë", "big data", "Scout", "Ypsilanti", "last phrase"}; err != nil || !slices.Equal(got.HotWords, want) || !strings.HasPrefix(got.Context, "Scout, ") {
		t.Errorf("got %q, %v; want %q", got.HotWords, err, want)
	}
	many := make([]string, 1001)
	for i := range many {
		many[i] = strings.Repeat("a", i%150) + strings.Repeat("b", i/150+1)
	}
	for name, of := range map[string]struct {
		keywords []string
		prompt   string
		param    string
	}{
		"too many keywords":        {many, "", "keywords"},
		"a keyword too long":       {[]string{strings.Repeat("ü", 201)}, "", "keywords"},
		"too many with a prompt":   {many[:1000], "yet another", "prompt"},
		"bytes that are no text":   {[]string{"\xff"}, "", "keywords"},
		"a prompt that is no text": {nil, "\xff", "prompt"},
	} {
		_, err := openai.Prefer(of.keywords, of.prompt)
		if status, body := openai.ErrorOf(err); status != http.StatusBadRequest || body.Error.Param == nil || *body.Error.Param != of.param || *body.Error.Code != openai.CodeInvalidValue {
			t.Errorf("%s: %d %+v", name, status, body.Error)
		}
	}
}

// Every code has all four keys, and 500 has neither a param nor a code.
func TestErrors(t *testing.T) {
	t.Parallel()
	for of, want := range map[error]struct {
		status            int
		kind, param, code string
	}{
		scout.Errorf(scout.CodeAudioCorrupt, "x"):     {400, "invalid_request_error", "file", ""},
		scout.Errorf(scout.CodeInvalidArgument, "x"):  {400, "invalid_request_error", "", "invalid_value"},
		scout.Errorf(scout.CodeModelLanguage, "x"):    {400, "invalid_request_error", "language", "unsupported_value"},
		scout.Errorf(scout.CodeModelUnsupported, "x"): {400, "invalid_request_error", "model", "unsupported_value"},
		scout.Errorf(scout.CodeInvalidAPIKey, "x"):    {401, "invalid_request_error", "", "invalid_api_key"},
		scout.Errorf(scout.CodePermissionDenied, "x"): {403, "invalid_request_error", "", "permission_denied"},
		scout.Errorf(scout.CodeUnknownURL, "x"):       {404, "invalid_request_error", "", "unknown_url"},
		scout.Errorf(scout.CodeAudioTooLong, "x"):     {413, "invalid_request_error", "", "request_too_large"},
		scout.Errorf(scout.CodeIdempotencyKey, "x"):   {422, "invalid_request_error", "", "idempotency_key_reused"},
		scout.Errorf(scout.CodeBusy, "x"):             {429, "rate_limit_error", "", "rate_limit_exceeded"},
		scout.Errorf(scout.CodeEngineFailed, "x"):     {500, "server_error", "", ""},
		scout.Errorf(scout.CodeEngineStart, "x"):      {503, "server_error", "", "engine_start_failed"},
		scout.Errorf(scout.CodeDeadlineExceeded, "x"): {504, "server_error", "", "deadline_exceeded"},
		errors.New("x"): {500, "server_error", "", ""},
		&v1.InputError{Location: "body.x", Err: scout.Errorf(scout.CodeInvalidArgument, "x")}: {400, "invalid_request_error", "", "invalid_value"},
	} {
		status, body := openai.ErrorOf(of)
		text := func(p *string) string {
			if p == nil {
				return ""
			}
			return *p
		}
		if e := body.Error; status != want.status || e.Type != want.kind || text(e.Param) != want.param || text(e.Code) != want.code {
			t.Errorf("%v: %d %s %q %q, want %+v", of, status, e.Type, text(e.Param), text(e.Code), want)
		}
	}
}
