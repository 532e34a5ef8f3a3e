package io.controlroom.delta;

import io.delta.storage.S3SingleDriverLogStore;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.s3a.RemoteFileChangedException;

/**
 * Delta commits on S3 by a conditional PUT (If-None-Match), so that several writers, Spark or not, lose none.
 *
 * <p>The default log store looks whether the file is there and then writes it: two drivers that look at the same moment
 * both write, and the later one takes the place of the earlier one's commit.
 */
public final class ConditionalPutLogStore extends S3SingleDriverLogStore {
  private static final String CONDITIONAL = "fs.option.create.conditional.overwrite";

  public ConditionalPutLogStore(Configuration hadoopConf) {
    super(hadoopConf);
  }

  @Override
  public void write(Path path, Iterator<String> actions, Boolean overwrite, Configuration hadoopConf)
      throws IOException {
    if (overwrite) {
      super.write(path, actions, true, hadoopConf);
      return;
    }
    try {
      put(path, actions, hadoopConf);
    } catch (org.apache.hadoop.fs.FileAlreadyExistsException | RemoteFileChangedException taken) {
      FileAlreadyExistsException told = new FileAlreadyExistsException(path.toString());
      told.initCause(taken);
      throw told;
    }
  }

  /** One PUT at the end: what fails before it leaves nothing. */
  private static void put(Path path, Iterator<String> actions, Configuration hadoopConf) throws IOException {
    FileSystem fs = path.getFileSystem(hadoopConf);
    FSDataOutputStreamBuilder<?, ?> builder = fs.createFile(path);
    builder.must(CONDITIONAL, true);
    FSDataOutputStream out = (FSDataOutputStream) builder.build();
    try {
      while (actions.hasNext()) {
        out.write((actions.next() + "\n").getBytes(StandardCharsets.UTF_8));
      }
    } catch (IOException | RuntimeException failed) {
      out.abort();
      throw failed;
    }
    out.close();
  }
}
