package proof

// plants is a small Go product of five packages that serves pages and an API,
// keeps its data under DATA_DIR and tests all of it.
var plants = files{
	"go.mod": "module example.com/plants\n\ngo 1.26\n",
	".layercake/checks.yaml": `version: 1
stack: go
serve:
  package: ./cmd/plants
  port: 8080
  health: /health
  smoke:
    - /
    - /api/plants
    - {method: POST, path: /api/plants, body: '{"name":"Basil"}', status: 201}
    - {path: /api/plants, contains: Basil}
checks:
  unit_test_output: {packages: [./internal/...]}
  integration_test_output: {packages: [./integration/...]}
  e2e_test_output: {packages: [./e2e/...]}
`,
	"cmd/plants/main.go": `package main

import (
	"log"
	"net/http"
	"os"

	"example.com/plants/internal/store"
	"example.com/plants/internal/web"
)

func main() {
	s, err := store.Open(os.Getenv("DATA_DIR"))
	if err != nil {
		log.Fatal(err)
	}
	log.Print("listening")
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), web.Handler(s)))
}
`,
	"internal/store/store.go": `// Package store keeps plants in a file.
package store

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Plant is one plant.
type Plant struct {
	Name string ` + "`json:\"name\"`" + `
}

// Store is a list in a file.
type Store struct {
	mu     sync.Mutex
	file   string
	plants []Plant
}

// Open reads the file in dir, if there is one.
func Open(dir string) (*Store, error) {
	s := &Store{file: filepath.Join(dir, "plants.json"), plants: []Plant{}}
	data, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	return s, json.Unmarshal(data, &s.plants)
}

// Add keeps a plant.
func (s *Store) Add(p Plant) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plants = append(s.plants, p)
	data, err := json.Marshal(s.plants)
	if err != nil {
		return err
	}
	return os.WriteFile(s.file, data, 0o600)
}

// All returns the plants.
func (s *Store) All() []Plant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Plant{}, s.plants...)
}
`,
	"internal/store/store_test.go": `package store

import "testing"

func TestAC_1_1_keeps_a_plant(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add(Plant{Name: "Basil"}); err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir)
	if err != nil || len(again.All()) != 1 {
		t.Errorf("got %v, %v", again.All(), err)
	}
}
`,
	"internal/web/web.go": `// Package web answers requests.
package web

import (
	"encoding/json"
	"fmt"
	"net/http"

	"example.com/plants/internal/greet"
	"example.com/plants/internal/store"
)

// Handler serves the pages and the API.
func Handler(s *store.Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><html lang=en><title>Plants</title><p>%s</p>", greet.Hello("plants"))
	})
	mux.HandleFunc("GET /api/plants", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.All())
	})
	mux.HandleFunc("POST /api/plants", func(w http.ResponseWriter, r *http.Request) {
		var p store.Plant
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil || p.Name == "" {
			http.Error(w, "no name", http.StatusBadRequest)
			return
		}
		if err := s.Add(p); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusCreated)
	})
	return mux
}
`,
	"internal/web/web_test.go": `package web_test

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/plants/internal/store"
	"example.com/plants/internal/web"
)

func get(t *testing.T, path string) string {
	t.Helper()
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	web.Handler(s).ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
	body, err := io.ReadAll(rec.Body)
	if err != nil || rec.Code != 200 {
		t.Fatalf("%d %v", rec.Code, err)
	}
	return string(body)
}

func TestAC_1_2_shows_a_page(t *testing.T) {
	for _, path := range []string{"/", "/health"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			if got := get(t, path); got == "" {
				t.Error("empty")
			}
		})
	}
}

func TestList(t *testing.T) {
	if got := get(t, "/api/plants"); strings.TrimSpace(got) != "[]" {
		t.Errorf("got %s", got)
	}
}
`,
	"internal/greet/greet.go": `// Package greet says hello.
package greet

// Hello greets.
func Hello(name string) string {
	if name == "" {
		return "Hello"
	}
	return "Hello, " + name
}
`,
	"internal/greet/greet_test.go": `package greet

import "testing"

func TestHello(t *testing.T) { // on one line with its brace
	if Hello("you") != "Hello, you" || Hello("") != "Hello" {
		t.Fail()
	}
}
`,
	"integration/api_test.go": `package integration

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/plants/internal/store"
	"example.com/plants/internal/web"
)

func TestAC_2_1_adds_through_the_api(t *testing.T) {
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(web.Handler(s))
	defer srv.Close()
	for body, status := range map[string]int{` + "`{\"name\":\"Basil\"}`" + `: 201, "{}": 400} {
		res, err := http.Post(srv.URL+"/api/plants", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != status {
			t.Errorf("%s: %d", body, res.StatusCode)
		}
	}
}
`,
	"e2e/e2e_test.go": `package e2e

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"example.com/plants/internal/store"
	"example.com/plants/internal/web"
)

func TestAC_2_2_whole_way(t *testing.T) {
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(web.Handler(s))
	defer srv.Close()
	res, err := http.Get(srv.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Error(res.Status)
	}
}
`,
}

const prd = `# Requirements

## Features

### F-1 Keep plants

### F-2 Add plants
`

const userStories = `# Stories

## US-1 Keep

As a gardener I want my plants kept so that I find them again.

Feature: F-1

- AC-1.1: Given a plant, when it is added, then it is kept.
- AC-1.2: Given the page, when it is opened, then it shows.

## US-2 Add

As a gardener I want to add plants so that the list is complete.

Feature: F-2

- AC-2.1: Given a name, when it is sent, then the plant is added.
- AC-2.2: Given the product, when it runs, then it answers.
`

const testPlan = `# Test plan

## Traceability

| Criterion | Test | Level |
|---|---|---|
| AC-1.1 | TestAC_1_1_keeps_a_plant | unit |
| AC-1.2 | TestAC_1_2_shows_a_page | unit |
| AC-2.1 | TestAC_2_1_adds_through_the_api | integration |
| AC-2.2 | TestAC_2_2_whole_way | e2e |
`
