import CZlib
import Foundation

/// Unpacks gzip through zlib. The pointers that zlib wants stay in this file.
enum Gunzip {
  enum Failure: Error, Equatable {
    case damaged
    case tooLarge
  }

  /// The bytes of a gzip stream of one member or several.
  ///
  /// - Parameter limit: more unpacked bytes are refused. Unit: bytes.
  static func unpack(_ packed: Data, limit: Int) throws(Failure) -> Data {
    var stream = unsafe z_stream()
    // 15 bits of window; 16 more mean: a gzip header.
    let size = Int32(unsafe MemoryLayout<z_stream>.size)
    guard unsafe inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, size) == Z_OK else {
      throw .damaged
    }
    defer { unsafe inflateEnd(&stream) }
    var input = [UInt8](packed)
    var output = Data()
    let failure: Failure? = unsafe input.withUnsafeMutableBufferPointer { bytes in
      unsafe stream.next_in = bytes.baseAddress
      unsafe stream.avail_in = UInt32(clamping: bytes.count)
      return unsafe inflateAll(&stream, into: &output, limit)
    }
    if let failure { throw failure }
    return output
  }

  private static func inflateAll(
    _ stream: inout z_stream, into output: inout Data, _ limit: Int
  ) -> Failure? {
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let (status, count) = unsafe chunk.withUnsafeMutableBufferPointer { bytes in
        unsafe stream.next_out = bytes.baseAddress
        unsafe stream.avail_out = UInt32(bytes.count)
        let status = unsafe inflate(&stream, Z_NO_FLUSH)
        return (status, bytes.count - Int(unsafe stream.avail_out))
      }
      output.append(contentsOf: chunk[..<count])
      guard output.count <= limit else { return .tooLarge }
      switch status {
      case Z_STREAM_END:
        if unsafe stream.avail_in == 0 { return nil }
        guard unsafe inflateReset(&stream) == Z_OK else { return .damaged }
      case Z_OK: if unsafe stream.avail_in == 0, count < chunk.count { return .damaged }
      default: return .damaged
      }
    }
  }
}
