package daemon

import "github.com/scout-speech/scout/internal/webhook"

// openWebhooks makes what tells other programs of events.
func (d *daemon) openWebhooks() {
	d.webhooks = webhook.New(webhook.Options{
		Store: d.store, Keep: d.options.Settings.Webhooks.Keep, Version: d.options.Version, Scope: d.options.Scope, Failures: d.options.Failures, Begin: d.activity.Begin,
	})
}
