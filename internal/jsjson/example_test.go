package jsjson_test

import (
	"errors"
	"fmt"

	"github.com/waybell/waybell/internal/jsjson"
)

func ExampleParse() {
	v, err := jsjson.Parse([]byte(`{ "name": "S\u00e9rgio <s@x.example>", "2": 1.50, "1": 1E3 }`), jsjson.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", v.Append(nil))
	// Output: {"1":1000,"2":1.5,"name":"Sérgio <s@x.example>"}
}

func ExampleError() {
	_, err := jsjson.Parse([]byte(`{"data":{"items":[{"price":1e999}]}}`), jsjson.Limits{})
	var e *jsjson.Error
	if errors.As(err, &e) {
		fmt.Println(e.Kind, e.Path)
		fmt.Println(e)
	}
	// Output:
	// non_finite_number /data/items/0/price
	// json: a number is too large for a double at byte 27
}

// A body made around stored bytes, which are not parsed again.
func ExampleRaw() {
	stored := []byte(`{"email":"sarah@acme.example"}`)
	body := jsjson.Object(
		jsjson.Member{Name: "event", Value: jsjson.String("lead.submit")},
		jsjson.Member{Name: "data", Value: jsjson.Raw(stored)},
	)
	fmt.Printf("%s\n", body.Append(nil))
	// Output: {"event":"lead.submit","data":{"email":"sarah@acme.example"}}
}
