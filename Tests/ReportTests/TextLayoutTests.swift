import Foundation
import Report
import Testing

@Suite("Text and JSON")
struct TextLayoutTests {
  @Test("bytes have three digits and binary units")
  func bytes() {
    #expect(TextLayout.bytes(0) == "0 B")
    #expect(TextLayout.bytes(1023) == "1023 B")
    #expect(TextLayout.bytes(32 << 10) == "32 KiB")
    #expect(TextLayout.bytes(134_894_530_560) == "126 GiB")
    #expect(TextLayout.bytes(33_255_329_792) == "31.0 GiB")
    #expect(TextLayout.bytes(2_000_000) == "1.91 MiB")
    #expect(TextLayout.bytes(10_737_311_539) == "10.0 GiB")
    #expect(TextLayout.bytes(.max) == "16.0 EiB")
  }

  @Test("words are wrapped, and continuation lines indented")
  func wrapping() {
    #expect(TextLayout.wrapped("aa bb cc", indent: 2, width: 6) == "aa bb\n  cc")
    #expect(TextLayout.wrapped("b aaaaaaaaaa c", indent: 1, width: 5) == "b\n aaaa\n aaaa\n aa c")
  }

  @Test("JSON survives a reader, whatever is in its strings")
  func json() throws {
    let value = JSONValue.object([
      ("z", .string("a \"quoted\" \\ line\nwith \u{1} and ü")), ("a", .array([])),
      ("n", .unsigned(.max)), ("d", .number(0.1)), ("nan", .number(.nan)), ("t", .bool(true)),
      ("long", .array((0..<100).map { .integer($0) })),
    ])
    for text in [value.text(), value.text(width: 10), value.compact] {
      let object = try JSONSerialization.jsonObject(with: Data(text.utf8))
      let json = try #require(object as? [String: Any])
      #expect(json["z"] as? String == "a \"quoted\" \\ line\nwith \u{1} and ü")
      #expect(json["n"] as? UInt64 == .max)
      #expect(json["nan"] is NSNull)
      #expect((json["long"] as? [Int]) == Array(0..<100))
    }
    #expect(value.text().hasPrefix("{\n  \"z\""))
    #expect(value.text().split(separator: "\n").allSatisfy { $0.count <= 100 })
  }
}
