import Run

/// `kmemu verify` as JSON: schema `kmemu.verify/1`.
package enum VerifyJSON {
  package static func render(_ result: VerifyResult) -> String {
    JSONValue.object([
      ("schema", .string("kmemu.verify/1")),
      ("figures", .integer(result.figures)),
      ("agree", .integer(result.agree)),
      ("varying", .integer(result.varying)),
      ("varying_in_range", .integer(result.varyingInRange)),
      ("files", .array(result.files.map(file))),
    ]).text()
  }

  private static func file(_ file: FileAgreement) -> JSONValue {
    let unsupported: JSONValue =
      if let found = file.unsupported {
        .object([("line", .integer(found.line)), ("operation", .string(found.operation))])
      } else { .null }
    return .object([
      ("file", .string(file.file)),
      ("kernel", .string(file.kernel)),
      ("machine", .string(file.machine)),
      ("figures", .integer(file.figures)),
      ("agree", .integer(file.agree)),
      ("varying", .integer(file.varying)),
      ("varying_in_range", .integer(file.varyingInRange)),
      ("groups", .array(file.groups.map(group))),
      ("differences", .array(file.differences.map(difference))),
      ("out_of_range", .array(file.outOfRange.map(difference))),
      ("notes", .array(file.notes.map { .string($0) })),
      ("unsupported", unsupported),
    ])
  }

  private static func group(_ group: GroupAgreement) -> JSONValue {
    .object([
      ("name", .string(group.name)), ("figures", .integer(group.figures)),
      ("agree", .integer(group.agree)),
    ])
  }

  private static func difference(_ difference: FigureDifference) -> JSONValue {
    .object([
      ("line", .integer(difference.line)), ("operation", .string(difference.subject)),
      ("figure", .string(difference.key)), ("kernel", .string(difference.recorded)),
      ("kmemu", .string(difference.emulated)),
    ])
  }
}
