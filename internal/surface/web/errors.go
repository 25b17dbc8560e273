package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// RequestError is a request that makes no sense.
type RequestError string

// Error says what is wrong with it.
func (e RequestError) Error() string { return string(e) }

// NotFoundError is something asked for that there is not.
type NotFoundError string

// Error names it.
func (e NotFoundError) Error() string { return "no " + string(e) }

// BusyError is a request that would cost more than is left to spend now.
type BusyError struct{ After time.Duration }

// Error tells when to ask again.
func (e BusyError) Error() string { return fmt.Sprintf("busy; ask again in %d s", e.seconds()) }

func (e BusyError) seconds() int { return max(int(math.Ceil(e.After.Seconds())), 1) }

// refuse answers with an error as {"error": …}.
func refuse(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	var request RequestError
	var absent NotFoundError
	var busy BusyError
	switch {
	case errors.As(err, &request):
		code = http.StatusBadRequest
	case errors.As(err, &absent):
		code = http.StatusNotFound
	case errors.As(err, &busy):
		code = http.StatusTooManyRequests
		w.Header().Set("Retry-After", strconv.Itoa(busy.seconds()))
	}
	body, err := json.Marshal(map[string]string{"error": err.Error()})
	if err != nil {
		body = []byte(`{"error":"unknown"}`)
	}
	reply(w, code, body)
}
