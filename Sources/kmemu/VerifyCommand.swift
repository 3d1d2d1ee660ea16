import ArgumentParser
import Report
import Run

/// `kmemu verify`: recorded answers of a real kernel, compared figure by figure.
struct VerifyCommand: ParsableCommand {
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case text, json, markdown
  }

  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Compare recorded answers of a real kernel with the emulated ones.",
    discussion: """
      Reads operation lists (*.vec), slab_params*.csv and zoneinfo of a recorded boot, packed with \
      gzip or not, and folders of them. Status 1: a figure differs; 65: a file is damaged or asks \
      for what is not emulated.
      """)

  @Argument(help: ArgumentHelp("Recordings, or folders of them.", valueName: "file|dir"))
  var paths: [String]

  @Option(help: ArgumentHelp("The release to compare with, not the recorded one.", valueName: "v"))
  var kernel: String?

  @Option(
    help: ArgumentHelp(
      "A folder with nodes.txt (and sysctl.txt, zoneinfo) of the recorded machine.",
      valueName: "dir"))
  var machineDir: String?

  @Flag(help: "Compare zones and page lists too, which depend on the machine's past.")
  var all = false

  @Option(help: "text, json, or markdown for docs/FIDELITY.md.")
  var format = Format.text

  func run() throws {
    if try predictsPublished() { return }
    let result = try compare()
    switch format {
    case .text: try Console.write(VerifyText.render(result))
    case .json: try Console.write(VerifyJSON.render(result))
    case .markdown: try Console.write(VerifyMarkdown.render(result))
    }
    if result.differ > 0 { throw ExitStatus.expectationFailed.thrown }
    if !result.unsupported.isEmpty { throw ExitStatus.badData.thrown }
  }

  /// Published tables of cycles have a comparison of their own: predictions within a tolerance.
  /// Returns: whether the paths are such tables.
  private func predictsPublished() throws -> Bool {
    var predictions: [CyclePrediction] = []
    var ofVmalloc: [VmallocPrediction] = []
    do throws(RecordingError) {
      for path in paths where path.hasSuffix(".csv") {
        let text = try RecordingFiles.text(of: path)
        guard PublishedTable.isOne(text) else { return false }
        let table = try PublishedTable(parsing: text, file: path)
        if table.kind == .pages {
          ofVmalloc.append(try VmallocPrediction(table))
        } else {
          predictions.append(try CyclePrediction(table))
        }
      }
    } catch {
      throw Console.failure(
        code: error.code.rawValue, "\(error.place): \(error.message)", hint: error.hint,
        Self.status(of: error.code))
    }
    guard !predictions.isEmpty || !ofVmalloc.isEmpty else { return false }
    var parts = predictions.map(CycleText.render) + ofVmalloc.map(VmallocText.render)
    if format == .markdown {
      parts = predictions.isEmpty ? [] : [CycleText.markdown(predictions)]
      if !ofVmalloc.isEmpty { parts.append(VmallocText.markdown(ofVmalloc)) }
    }
    try Console.write(parts.joined(separator: "\n"))
    guard predictions.allSatisfy(\.isGood), ofVmalloc.allSatisfy(\.isGood) else {
      throw ExitStatus.expectationFailed.thrown
    }
    return true
  }

  private func compare() throws -> VerifyResult {
    do {
      var verifier = Verifier(kernel: kernel)
      verifier.comparesAll = all
      if let machineDir {
        verifier.zoneInfo =
          try RecordingFiles.optionalText("zoneinfo_refreshed.txt", in: machineDir)
          ?? RecordingFiles.optionalText("zoneinfo.txt", in: machineDir)
          ?? RecordingFiles.optionalText("zoneinfo", in: machineDir)
      }
      var files: [FileAgreement] = []
      let paths = try paths.flatMap(RecordingFiles.find)
      for path in paths {
        let recording = try RecordingFiles.read(path, machineFolder: machineDir)
        files.append(try agreement(of: recording, verifier, isAlone: paths.count == 1))
      }
      return VerifyResult(files: files)
    } catch let error as RecordingError {
      throw Console.failure(
        code: error.code.rawValue, "\(error.place): \(error.message)", hint: error.hint,
        Self.status(of: error.code))
    }
  }

  /// The comparison of one recording. Among several, one of a release that is not emulated is
  /// told as not run, and the others go on.
  private func agreement(
    of recording: Recording, _ verifier: Verifier, isAlone: Bool
  ) throws(RecordingError) -> FileAgreement {
    do throws(RecordingError) {
      return try verifier.compare(recording)
    } catch {
      guard error.code == .kernelUnknown, !isAlone, let kind = Recording.kind(of: recording.name)
      else { throw error }
      var refused = FileAgreement(file: recording.file, kind: kind, kernel: "", machine: "")
      refused.unsupported = .init(line: error.line, operation: error.message)
      return refused
    }
  }

  private static func status(of code: RecordingError.Code) -> ExitStatus {
    switch code {
    case .fileMissing, .unreadable: .missingInput
    default: .badData
    }
  }
}
