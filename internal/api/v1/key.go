package v1

// Key is a key with which a program uses Scout over the network, without the key itself.
type Key struct {
	ID                string `json:"id"`
	Name              string `json:"name"`
	Role              string `json:"role" enum:"owner,client"`
	RequestsPerMinute int    `json:"requests_per_minute,omitempty" doc:"How many requests it may send; absent for the general limit"`
	CreatedAt         Time   `json:"created_at" format:"date-time"`
}

// Keys is GET /keys.
type Keys struct {
	Data []Key `json:"data"`
}

// KeyRequest is POST /keys.
type KeyRequest struct {
	Name              string `json:"name" minLength:"1" maxLength:"100" doc:"What it is for"`
	Role              string `json:"role,omitempty" enum:"owner,client" default:"client"`
	RequestsPerMinute int    `json:"requests_per_minute,omitempty" minimum:"0" maximum:"1000000" doc:"How many requests it may send; left out for the general limit"`
}

// NewKey is a key that was made. Nobody can ask for the key again.
type NewKey struct {
	Key
	Secret string `json:"key" doc:"The key, which is shown this once: Authorization: Bearer KEY"`
}

// SessionLink is POST /session/link.
type SessionLink struct {
	URL       string `json:"url" doc:"What a browser opens"`
	ExpiresAt Time   `json:"expires_at" format:"date-time"`
}
