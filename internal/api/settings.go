package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// settingsOutput are the settings with their ETag.
type settingsOutput struct {
	ETag string `header:"ETag"`
	Body v1.Settings
}

// registerSettings adds what reads and changes settings.
func (s *Server) registerSettings(api huma.API) {
	operation(api, about{
		method: http.MethodGet, path: "/settings", summary: "Get all settings",
		description: "The saved value of each setting and where it comes from. Secrets are hidden.",
	}, func(context.Context, *none) (*settingsOutput, error) {
		return taggedSettings(s.services.Settings()), nil
	})
	operation(api, about{
		method: http.MethodPatch, path: "/settings", summary: "Change settings",
		description: "A JSON Merge Patch of values. All of it is saved in the settings file, or nothing; comments in the file stay. null takes a setting out of the file, so that its default applies. " +
			"Settings of record and retention, daemon.idle, models.fast and models.accurate take effect at once. restart_required names those that take effect when the daemon is started again. A setting that a flag or a variable sets cannot be changed.",
		errors: []scout.Code{scout.CodeConfigInvalid, scout.CodeConflict, scout.CodePreconditionFailed, scout.CodeBusy, scout.CodeDiskFull}, merges: true,
	}, func(ctx context.Context, in *struct {
		IfMatch string         `header:"If-Match" doc:"The ETag of the settings that the change is meant for"`
		Body    map[string]any `contentType:"application/json" doc:"For example {\"record\":{\"rate\":48000}}"`
	},
	) (*settingsOutput, error) {
		changed, err := s.services.ChangeSettings(ctx, in.Body, func(now v1.Settings) error {
			if !matches(in.IfMatch, settingsState(&now)) {
				return scout.Errorf(scout.CodePreconditionFailed, "the settings have changed: their ETag is %s now", taggedSettings(now).ETag)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		return taggedSettings(changed), nil
	})
	operation(api, about{
		method: http.MethodGet, path: "/settings/schema", summary: "Get the JSON Schema of the settings",
		description: "A JSON Schema (2020-12) of the values: what each setting is, its default, and what is allowed.",
	}, func(context.Context, *none) (*body[map[string]any], error) {
		return answer(s.services.SettingsSchema()), nil
	})
}

func taggedSettings(settings v1.Settings) *settingsOutput {
	return &settingsOutput{ETag: etag(settingsState(&settings), settings), Body: settings}
}

// settingsState names the values and where they come from.
func settingsState(settings *v1.Settings) string {
	data, _ := json.Marshal([]any{settings.Values, settings.Origin}) // texts and numbers
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}
