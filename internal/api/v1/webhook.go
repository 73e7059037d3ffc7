package v1

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Webhook is an address that is told of events, without its secret.
type Webhook struct {
	ID          string   `json:"id"`
	URL         string   `json:"url"`
	Events      []string `json:"events" enum:"job.succeeded,job.dead,job.cancelled,recording.finished,transcript.revised,health.changed"`
	IncludeText bool     `json:"include_text" doc:"Whether the text is sent that an event is about"`
	Enabled     bool     `json:"enabled"`
	Reason      string   `json:"reason,omitempty" doc:"Why Scout disabled it; absent otherwise"`
	JobID       string   `json:"job_id,omitempty" doc:"The job of which alone it is told; absent for a webhook of the owner"`
	CreatedAt   Time     `json:"created_at" format:"date-time"`
}

// Webhooks is GET /webhooks.
type Webhooks struct {
	Data []Webhook `json:"data"`
}

// WebhookRequest is POST /webhooks.
type WebhookRequest struct {
	URL         string   `json:"url" minLength:"1" maxLength:"2048" doc:"Where events are sent: http or https"`
	Events      []string `json:"events" minItems:"1" maxItems:"10" enum:"job.succeeded,job.dead,job.cancelled,recording.finished,transcript.revised,health.changed"`
	IncludeText bool     `json:"include_text,omitempty" doc:"Send the text, too, that an event is about"`
	Enabled     *bool    `json:"enabled,omitempty" doc:"true, if it is left out"`
}

// WebhookChange is PATCH /webhooks/{id}. What is left out stays.
type WebhookChange struct {
	URL         *string  `json:"url,omitempty" minLength:"1" maxLength:"2048"`
	Events      []string `json:"events,omitempty" minItems:"1" maxItems:"10" enum:"job.succeeded,job.dead,job.cancelled,recording.finished,transcript.revised,health.changed"`
	IncludeText *bool    `json:"include_text,omitempty"`
	Enabled     *bool    `json:"enabled,omitempty" doc:"What waits for one that is disabled is given up"`
}

// UnmarshalJSON reads a JSON Merge Patch (RFC 7396). A webhook has all of its fields: null, which would remove one, is refused.
func (c *WebhookChange) UnmarshalJSON(data []byte) error {
	type plain WebhookChange
	if err := json.Unmarshal(data, (*plain)(c)); err != nil {
		return err
	}
	given, err := nulls(data)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if given[name] {
			return fmt.Errorf("%s is null: a webhook cannot be without it", name)
		}
	}
	return err
}

// NewWebhook is a webhook that was made. Nobody can ask for the secret again.
type NewWebhook struct {
	Webhook
	Secret string `json:"secret" doc:"What signs the messages, which is shown this once"`
}

// WebhookTest is what became of a test.
type WebhookTest struct {
	Status     int     `json:"status,omitempty" doc:"Of the answer; absent if there was none"`
	DurationMS float64 `json:"duration_ms"`
	Error      *Error  `json:"error,omitempty" doc:"Why the receiver did not take it; absent if it did"`
}

// Delivery is an event on its way to a webhook.
type Delivery struct {
	N           int64  `json:"n" doc:"Its number among those of the webhook"`
	MessageID   string `json:"message_id" doc:"The header webhook-id, the same in all attempts"`
	Event       string `json:"event"`
	RecordingID string `json:"recording_id,omitempty" doc:"Of the recording that the event is about"`
	State       string `json:"state" enum:"waiting,delivered,dead"`
	Attempts    int    `json:"attempts"`
	Status      int    `json:"status,omitempty" doc:"Of the last answer; absent if there was none"`
	At          Time   `json:"at" format:"date-time" doc:"When the event happened"`
	NextAt      *Time  `json:"next_attempt_at,omitempty" format:"date-time"`
	EndedAt     *Time  `json:"ended_at,omitempty" format:"date-time"`
	Error       *Error `json:"error,omitempty" doc:"Why the last attempt failed"`
}

// JobWebhook is the webhook of one job.
type JobWebhook struct {
	URL    string `json:"url" minLength:"1" maxLength:"2048" doc:"Where the end of the job is sent: http or https"`
	Secret string `json:"secret" minLength:"1" maxLength:"100" doc:"What signs the message: whsec_ and 24 to 64 bytes in base64"`
}
