package api

import (
	"context"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/upload"
	"github.com/scout-speech/scout/internal/webhook"
)

// maxNameBytes bounds the name of a file that is kept.
const maxNameBytes = 255

// fieldWebhook is the one field that is an object.
const fieldWebhook = "webhook"

// namesOfOthers are fields that libraries for pages send with every file. They say nothing that is needed.
func namesOfOthers() []string { return []string{"name", "type", "relativePath"} }

// wanted is the upload that the fields of a request describe. at is where they stand, for errors.
func (s *Server) wanted(ctx context.Context, at string, fields map[string][]string) (upload.Info, error) {
	info := upload.Info{Client: callerOf(ctx).id, Transcribe: true, Priority: job.Normal, Traceparent: observe.Traceparent(ctx)}
	var options v1.TextOptions
	task := ""
	var progressive *bool
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		values := fields[name]
		for _, value := range values {
			if !utf8.ValidString(value) {
				return info, unprocessable(at+name, "it is not UTF-8")
			}
		}
		last, err := values[len(values)-1], error(nil)
		switch name {
		case "filename":
			info.Name = cleanName(last)
		case "filetype": // the content decides
		case "title":
			info.Title = strings.TrimSpace(last)
		case "tags":
			info.Tags, err = texts(values)
		case "transcribe":
			if info.Transcribe, err = strconv.ParseBool(last); err != nil {
				err = scout.Errorf(scout.CodeInvalidArgument, "%q is neither true nor false", last)
			}
		case "priority":
			info.Priority = job.Priority(last)
			if !slices.Contains(job.Priorities(), info.Priority) {
				err = scout.Errorf(scout.CodeInvalidArgument, "there is no priority %q: want interactive, normal or low", last)
			}
		case "model":
			options.Model = last
		case "language":
			options.Language = last
		case "languages":
			options.Languages, err = texts(values)
		case "keywords":
			options.Keywords, err = texts(values)
		case "prompt":
			options.Prompt = last
		case "effort":
			options.Effort = last
		case "progressive":
			var wanted bool
			if wanted, err = strconv.ParseBool(last); err != nil {
				err = scout.Errorf(scout.CodeInvalidArgument, "%q is neither true nor false", last)
			}
			progressive = &wanted
		case "task":
			if task = last; task != "" && task != store.TaskTranscribe && task != store.TaskTranslate {
				err = scout.Errorf(scout.CodeInvalidArgument, "there is no task %q: want %s or %s", last, store.TaskTranscribe, store.TaskTranslate)
			}
		case fieldWebhook:
			info.Webhook, err = webhookField(ctx, last)
		default:
			if !slices.Contains(namesOfOthers(), name) {
				err = scout.Errorf(scout.CodeInvalidArgument, "there is no field %q", name)
			}
		}
		if err != nil {
			return info, unprocessable(at+name, "%s", scout.Plain(err))
		}
	}
	if err := mayChoose(ctx, string(info.Priority)); err != nil {
		return info, err
	}
	described := store.Description{Title: &info.Title, Tags: &info.Tags}
	if err := described.Validate(); err != nil {
		return info, err
	}
	if !info.Transcribe {
		if info.Webhook != nil {
			return info, unprocessable(at+fieldWebhook, "a webhook is told of the job that makes the text, and none is asked for")
		}
		return info, nil
	}
	request, err := s.requestOf(ctx, task, &options)
	if err != nil {
		return info, err
	}
	request.Progressive = progressive
	info.Options, err = json.Marshal(request)
	return info, err
}

// texts are the values of a field that is a list: several values, or one with a list as JSON.
func texts(values []string) ([]string, error) {
	if len(values) != 1 || !strings.HasPrefix(strings.TrimSpace(values[0]), "[") {
		return values, nil
	}
	var list []string
	if err := json.Unmarshal([]byte(values[0]), &list); err != nil {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "want texts, or a list of texts as JSON")
	}
	return list, nil
}

// cleanName is the name of a file without its folder, for people: it is never a path.
func cleanName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.TrimSpace(strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) {
			return -1
		}
		return c
	}, name))
	if name == "." || name == ".." || name == "/" {
		return ""
	}
	for len(name) > maxNameBytes {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name
}

// webhookField is the webhook of the job, as JSON.
func webhookField(ctx context.Context, text string) (*webhook.OfJob, error) {
	var asked v1.JobWebhook
	err := unambiguous([]byte(text))
	if err == nil {
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		err = d.Decode(&asked)
	}
	if err != nil {
		return nil, scout.Errorf(scout.CodeInvalidArgument, `want {"url":"https://…","secret":"whsec_…"} as JSON`)
	}
	return webhookOfJob(ctx, &asked, "")
}
