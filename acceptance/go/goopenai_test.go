package acceptance

import (
	"errors"
	"testing"

	older "github.com/sashabaranov/go-openai"
)

func TestGoOpenAI(t *testing.T) {
	plain, _, _, clip := place(t)
	config := older.DefaultConfig("any")
	config.BaseURL = plain + "/v1"
	client := older.NewClientWithConfig(config)
	for _, format := range []older.AudioResponseFormat{older.AudioResponseFormatJSON, older.AudioResponseFormatText, older.AudioResponseFormatSRT, older.AudioResponseFormatVTT, older.AudioResponseFormatVerboseJSON} {
		got, err := client.CreateTranscription(limited(t), older.AudioRequest{Model: older.Whisper1, FilePath: clip, Format: format, Language: "en", Prompt: "country"})
		if err != nil || got.Text == "" {
			t.Errorf("%s: %v: %+v", format, err, got)
			continue
		}
		if format == older.AudioResponseFormatJSON || format == older.AudioResponseFormatText || format == older.AudioResponseFormatVerboseJSON {
			said(t, got.Text)
		}
		if format == older.AudioResponseFormatVerboseJSON && (got.Language != "english" || len(got.Segments) == 0 || got.Duration < 10) {
			t.Errorf("%+v", got)
		}
	}
	_, err := client.CreateTranscription(limited(t), older.AudioRequest{Model: "gpt-9", FilePath: clip})
	var refused *older.APIError
	if !errors.As(err, &refused) || refused.HTTPStatusCode != 404 || refused.Code != "model_not_found" {
		t.Errorf("an unknown model: %v", err)
	}
	if list, err := client.ListModels(limited(t)); err != nil || len(list.Models) == 0 {
		t.Errorf("models: %v", err)
	}
}
