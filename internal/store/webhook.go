package store

import (
	"context"
	"encoding/json"
	"time"
)

// Webhook is an address that is told of events (docs/adr/0095-webhooks.md). The rules of deliveries are those of package webhook; the
// store keeps them, and adds one for each event in the transaction of the event.
type Webhook struct {
	ID  string
	URL string
	// Host is that of the URL, with its port. All deliveries to a host are sent by the same rules.
	Host string
	// Events are the types of events that it is told of, among HookedEvents.
	Events []string
	// IncludeText has the texts sent that events are about.
	IncludeText bool
	// Enabled is false for one that is told of nothing at present.
	Enabled bool
	// Guarded is true for the URL of a client. It may not lead to this machine, nor to its private network.
	Guarded bool
	// Job is the one job whose webhook it is; empty for one of the owner.
	Job string
	// Secret signs what is sent.
	Secret Secret
	// Reason is why Scout itself disabled it; empty otherwise.
	Reason    string
	CreatedAt time.Time
}

// Secret signs deliveries. It is never written into a log.
type Secret []byte

// String implements fmt.Stringer and hides the secret.
func (Secret) String() string { return "(secret)" }

// GoString implements fmt.GoStringer and hides the secret.
func (Secret) GoString() string { return "(secret)" }

// HookedEvents returns the types of events that webhooks can be told of.
func HookedEvents() []string {
	return []string{EventJobSucceeded, EventJobDead, EventJobCancelled, EventRecordingFinished, EventTranscriptRevised, EventHealthChanged}
}

// Bounds of webhooks and of what waits for them.
const (
	// MostWebhooks is how many there may be, besides those of jobs.
	MostWebhooks = 100
	// MostJobWebhooks is how many one job may have.
	MostJobWebhooks = 5
	// MostWaiting is how many deliveries of one webhook may wait. Further ones are kept as dead.
	MostWaiting = 5000
	// MostEnded is how many deliveries of one webhook are kept that have ended.
	MostEnded = 1000
)

// DeliveryState says what becomes of a delivery.
type DeliveryState string

// The states.
const (
	// DeliveryWaiting: it is sent, now or later.
	DeliveryWaiting DeliveryState = "waiting"
	// DeliveryDelivered: the receiver has it.
	DeliveryDelivered DeliveryState = "delivered"
	// DeliveryDead: it was given up, with the reason.
	DeliveryDead DeliveryState = "dead"
)

// Delivery is an event on its way to a webhook.
type Delivery struct {
	// Webhook is the id of the webhook, and N the number of the delivery among those of the webhook, from 1.
	Webhook string
	N       int64
	// Message is what the receiver knows it by. It is the same in all attempts, and in those after a Redeliver.
	Message string
	// Event is the type of the event, At when it happened, Recording what it is about, and Data what it says, as in the journal.
	Event     string
	At        time.Time
	Recording string
	Data      json.RawMessage
	State     DeliveryState
	// Attempts is how often it was sent.
	Attempts int
	// Since is when it began to wait: with its event, or when it was to be sent again.
	Since time.Time
	// NextAt is when it is sent at the earliest.
	NextAt time.Time
	// Status is that of the last answer; 0 where there was none.
	Status int
	// Error is why the last attempt failed.
	Error   *JobError
	EndedAt time.Time
}

// DeliveryStream has no events. Who listens to it is woken when deliveries wait that were not waiting before.
const DeliveryStream = "deliveries"

// DueDelivery is a delivery that may be sent, with its webhook.
type DueDelivery struct {
	Delivery
	Hook Webhook
}

// HostAgenda is what waits for one host.
type HostAgenda struct {
	Host string
	// Next is when the first of its deliveries may be sent; zero for at once.
	Next time.Time
	// Owners is true where some of them are for webhooks of the owner.
	Owners bool
}

// DeliveryCounts counts deliveries.
type DeliveryCounts struct {
	// Waiting is how many wait.
	Waiting int
	// Dead is how many of the owner's webhooks were given up since a time.
	Dead int
}

// WebhookReader reads the last committed state of webhooks.
type WebhookReader interface {
	// Webhook returns a webhook, also one of a job; scout.CodeNotFound if there is none.
	Webhook(ctx context.Context, id string) (Webhook, error)
	// Webhooks returns those of a job, or the owner's where job is empty, oldest first.
	Webhooks(ctx context.Context, job string) ([]Webhook, error)
	// Deliveries returns one page of the deliveries of a webhook.
	Deliveries(ctx context.Context, webhook string, page Page) (Listing[Delivery], error)
	// DeliveryAgenda returns what waits, by host. A delivery that waits for a time after latest may be sent at once: none is given a time that
	// far ahead, so the clock was set back.
	DeliveryAgenda(ctx context.Context, latest time.Time) ([]HostAgenda, error)
	// DueDeliveries returns the first of the deliveries to a host that may be sent now.
	DueDeliveries(ctx context.Context, host string, now, latest time.Time, limit int) ([]DueDelivery, error)
	// DeliveryCounts counts deliveries.
	DeliveryCounts(ctx context.Context, deadSince time.Time) (DeliveryCounts, error)
}

// WebhookTx is what a transaction does with webhooks.
type WebhookTx interface {
	// PutWebhook adds a webhook, or replaces the one with its id, and returns it as it is kept. Job, Secret, Guarded and CreatedAt of one that is
	// there stay. A job has one for each URL of the same kind, guarded or not: asked for again, that one gets the secret. More than MostWebhooks, or MostJobWebhooks,
	// give scout.CodeConflict.
	PutWebhook(hook Webhook) (Webhook, error)
	// Webhook returns a webhook, also one of a job; scout.CodeNotFound if there is none.
	Webhook(id string) (Webhook, error)
	// DeleteWebhook removes a webhook with its deliveries; scout.CodeNotFound if there is none.
	DeleteWebhook(id string) error
	// Delivery returns a delivery; scout.CodeNotFound if there is none.
	Delivery(webhook string, n int64) (Delivery, error)
	// PutDelivery replaces a delivery that is there.
	PutDelivery(delivery *Delivery) error
	// EndDeliveries gives up what waits for a webhook, and returns how many that are.
	EndDeliveries(webhook string, reason *JobError) (int, error)
	// TrimDeliveries removes deliveries that ended longer ago than age, those beyond MostEnded, and the webhooks of jobs that are gone.
	TrimDeliveries(age time.Duration) error
}
