/// Reads one expectation: `latency.kmalloc.p99 < 2us`.
///
/// Grammar: sum (`<` `<=` `>` `>=` `==` `!=`) sum; sums of products of numbers with units, result
/// names, and parentheses. Units are checked here, so a comparison of times with sizes is an error
/// before anything runs.
struct ExpectationParser {
  private enum Token {
    case number(Double, Dimension)
    case name(String)
    case sign(String)
  }

  private let text: String
  private let tree: Tree
  private let reading: Reading
  private let names: ResultNames
  private var tokens: [(token: Token, offset: Int, length: Int)] = []
  private var next = 0
  private var depth = 0

  init(_ text: String, _ tree: Tree, _ reading: Reading, _ names: ResultNames) {
    (self.text, self.tree, self.reading, self.names) = (text, tree, reading, names)
  }

  /// Already reported.
  private struct Refused: Error {}

  mutating func parse() -> Expectation? {
    do {
      try tokenize()
      let left = try sum()
      guard case .sign(let sign)? = peek, let comparison = Expectation.Comparison(rawValue: sign)
      else {
        throw refuse(
          .expectation, peek == nil ? "a comparison is missing" : "a comparison is needed here",
          label: "as in `violations == 0`")
      }
      next += 1
      let right = try sum()
      if peek != nil { throw refuse(.expectation, "one comparison is enough") }
      guard left.dimension == right.dimension || left.isZero || right.isZero else {
        next = 0
        throw refuse(
          .expectation, "\(left.dimension.article) is compared with \(right.dimension.article)",
          whole: true, label: right.isNumber ? "say a unit" : "")
      }
      return Expectation(text: text, left: left, right: right, comparison: comparison)
    } catch {
      return nil
    }
  }

  private var peek: Token? { next < tokens.count ? tokens[next].token : nil }

  private func span(_ offset: Int, _ length: Int) -> Span {
    // A text with parameters in it, or an escaped one, is not what stands in the file.
    let isWritten = tree.span.text.dropFirst(tree.span.column - 1).prefix(
      text.unicodeScalars.count + 1)
    let scalars = Array(text.unicodeScalars)
    guard isWritten.starts(with: scalars) || isWritten.dropFirst().starts(with: scalars) else {
      return tree.span
    }
    return tree.span.part(offset, length)
  }

  private func refuse(
    _ code: ErrorCode, _ message: String, whole: Bool = false, label: String = "",
    notes: [String] = []
  ) -> Refused {
    let place =
      whole
      ? tree.span
      : next < tokens.count
        ? span(tokens[next].offset, tokens[next].length)
        : span(text.unicodeScalars.count, 1)
    reading.findings.add(code, message, at: place, label: label, notes: notes)
    return Refused()
  }

  // MARK: Tokens

  private mutating func tokenize() throws {
    let scalars = Array(text.unicodeScalars)
    guard scalars.count <= 4096 else {
      reading.findings.add(
        .expectation, "an expectation has at most 4096 characters", at: tree.span)
      throw Refused()
    }
    var place = 0
    while place < scalars.count {
      let scalar = scalars[place]
      if scalar == " " || scalar == "\t" || scalar == "\n" {
        place += 1
        continue
      }
      let rest = scalars[place...]
      let length: Int
      if ("0"..."9").contains(scalar) {
        length = numberLength(rest)
        try addNumber(String(String.UnicodeScalarView(rest.prefix(length))), place, length)
      } else if scalar.properties.isAlphabetic || scalar == "_" {
        length = nameLength(rest)
        let name = String(String.UnicodeScalarView(rest.prefix(length)))
        tokens.append((.name(name), place, length))
      } else {
        length = try signLength(rest, place)
        let sign = String(String.UnicodeScalarView(rest.prefix(length)))
        tokens.append((.sign(sign), place, length))
      }
      place += length
    }
    guard !tokens.isEmpty else {
      throw refuse(.expectation, "an expectation is empty", whole: true)
    }
  }

  private func signLength(_ rest: ArraySlice<Unicode.Scalar>, _ place: Int) throws -> Int {
    let two = String(String.UnicodeScalarView(rest.prefix(2)))
    if Expectation.Comparison(rawValue: two) != nil { return 2 }
    let one = String(String.UnicodeScalarView(rest.prefix(1)))
    if "<>+-*/()".contains(one) { return 1 }
    reading.findings.add(
      .expectation, "`\(Spelling.shown(one))` has no meaning in an expectation",
      at: span(place, 1), label: one == "=" ? "equality is `==`" : "")
    throw Refused()
  }

  private func numberLength(_ rest: ArraySlice<Unicode.Scalar>) -> Int {
    let digits = rest.prefix { ("0"..."9").contains($0) || $0 == "." || $0 == "_" }.count
    let after = rest.dropFirst(digits)
    let unit = after.prefix { $0.properties.isAlphabetic || $0 == "%" }.count
    let tail = after.dropFirst(unit)
    // `M/s` is a unit, but `2/slub.alloc` is a division.
    let isRate =
      tail.first == "/" && tail.dropFirst().first == "s"
      && tail.dropFirst(2).first.map { !$0.properties.isAlphabetic && $0 != "_" && $0 != "." }
        ?? true
    return digits + unit + (isRate ? 2 : 0)
  }

  private func nameLength(_ rest: ArraySlice<Unicode.Scalar>) -> Int {
    var length = 0
    var open = 0
    for (index, scalar) in rest.enumerated() {
      let following = rest.dropFirst(index + 1).first
      let isWord =
        scalar.properties.isAlphabetic || scalar == "_" || scalar == "."
        || ("0"..."9").contains(scalar)
      // `eth0-rx` is a name; a difference has spaces around its sign.
      let isDash = scalar == "-" && following.map { $0 != " " } ?? false
      if scalar == "(" { open += 1 }
      guard isWord || isDash || open > 0 else { break }
      if scalar == ")" { open -= 1 }
      length += 1
    }
    return length
  }

  private mutating func addNumber(_ text: String, _ place: Int, _ length: Int) throws {
    switch Quantity.parse(text, clock: reading.clock) {
    case .success(let value):
      tokens.append((.number(value.double, value.dimension), place, length))
    case .failure(let failure):
      let units = Quantity.units.map(\.name).filter { !$0.isEmpty }
      var message = "`\(Spelling.shown(text))` is no number with a unit"
      var label = ""
      if case .unknownUnit(let unit) = failure {
        message = "unknown unit `\(Spelling.shown(unit))`"
        label = Spelling.nearest(to: unit, among: units).map { "did you mean `\($0)`?" } ?? ""
      }
      reading.findings.add(.unit, message, at: span(place, length), label: label)
      throw Refused()
    }
  }

  // MARK: Terms

  private mutating func sum() throws -> Expectation.Term {
    depth += 1
    defer { depth -= 1 }
    guard depth < 32 else { throw refuse(.expectation, "too many parentheses") }
    var term = try product()
    while case .sign(let sign)? = peek, sign == "+" || sign == "-" {
      let place = next
      next += 1
      let other = try product()
      guard term.dimension == other.dimension || term.isZero || other.isZero else {
        next = place
        throw refuse(
          .expectation, "\(term.dimension.article) and \(other.dimension.article) do not add up")
      }
      let dimension = term.isZero ? other.dimension : term.dimension
      term = .operation(Character(sign), term, other, dimension)
    }
    return term
  }

  private mutating func product() throws -> Expectation.Term {
    var term = try factor()
    while case .sign(let sign)? = peek, sign == "*" || sign == "/" {
      let place = next
      next += 1
      let other = try factor()
      guard let dimension = combined(term.dimension, other.dimension, sign) else {
        next = place
        throw refuse(
          .expectation,
          "\(term.dimension.article) \(sign) \(other.dimension.article) is nothing known")
      }
      term = .operation(Character(sign), term, other, dimension)
    }
    return term
  }

  private func combined(_ a: Dimension, _ b: Dimension, _ sign: String) -> Dimension? {
    if b == .number { return a }
    if sign == "/" { return a == b ? .number : nil }
    return a == .number ? b : nil
  }

  private mutating func factor() throws -> Expectation.Term {
    guard let token = peek else { throw refuse(.expectation, "a value is missing at the end") }
    switch token {
    case .number(let value, let dimension):
      next += 1
      return .constant(value, dimension)
    case .name(let name):
      guard let found = names.find(name) else {
        if !reading.findings.isFull {
          let place = span(tokens[next].offset, tokens[next].length)
          reading.findings.add(names.unknown(name, at: place))
        }
        throw Refused()
      }
      next += 1
      return .name(found)
    case .sign("("):
      next += 1
      let inner = try sum()
      guard case .sign(")")? = peek else { throw refuse(.expectation, "a `)` is missing") }
      next += 1
      return inner
    case .sign("-"):
      next += 1
      depth += 1
      defer { depth -= 1 }
      guard depth < 32 else { throw refuse(.expectation, "too many signs") }
      return .negated(try factor())
    case .sign: throw refuse(.expectation, "a value is needed here")
    }
  }
}

extension Expectation.Term {
  /// Whether it is a number without a unit, which may have been forgotten.
  fileprivate var isNumber: Bool {
    if case .constant(_, .number) = self { true } else { false }
  }
}
