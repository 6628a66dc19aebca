import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.Readable;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.Struct;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;

/** Prints, for each "name first last" argument, what the Java client writes for a message of every
 *  version that this jar knows, with the values of its fields. capture.py runs it. */
public class Capture {
    enum Variant { FULL, EMPTY }

    static final HexFormat HEX = HexFormat.of();

    final Variant variant;
    final List<String> lines = new ArrayList<>();
    long counter;

    Capture(Variant variant) {
        this.variant = variant;
    }

    public static void main(String[] args) throws Exception {
        for (int i = 0; i < args.length; i += 3)
            for (short v = Short.parseShort(args[i + 1]); v <= Short.parseShort(args[i + 2]); v++)
                captureVersion(args[i], v);
    }

    static void captureVersion(String name, short version) throws Exception {
        for (String direction : List.of("request", "response")) {
            String kind = direction.equals("request") ? "Request" : "Response";
            Class<?> data =
                Class.forName("org.apache.kafka.common.message." + name + kind + "Data");
            Schema[] schemas = (Schema[]) data.getField("SCHEMAS").get(null);
            if (version >= schemas.length || schemas[version] == null)
                return;
            for (Variant variant : Variant.values())
                new Capture(variant)
                    .captureMessage(data, name, version, direction, schemas[version]);
        }
        captureHeaders(name, version);
    }

    void captureMessage(Class<?> data, String name, short version, String direction, Schema schema)
            throws Exception {
        Struct struct = fill(schema, "");
        ByteBuffer written = ByteBuffer.allocate(schema.sizeOf(struct));
        schema.write(written, struct);
        written.flip();
        // The tables wrote it; the generated class, which clients use, must agree.
        ApiMessage message = (ApiMessage) data.getConstructor(Readable.class, short.class)
            .newInstance(new ByteBufferAccessor(written.duplicate()), version);
        if (!bytes(message, version).equals(written))
            throw new IllegalStateException(name + " " + version + " " + direction + " differs");
        String hex = written.hasRemaining() ? HEX.formatHex(written.array()) : "-";
        System.out.println("== " + name + " " + version + " " + direction + " "
            + variant.toString().toLowerCase() + " " + hex);
        lines.forEach(System.out::println);
    }

    static void captureHeaders(String name, short version) throws Exception {
        ApiKeys api = null;
        for (ApiKeys candidate : ApiKeys.values())
            if (candidate.name.equals(name))
                api = candidate;
        RequestHeaderData request = new RequestHeaderData().setRequestApiKey(api.id)
            .setRequestApiVersion(version).setCorrelationId(77).setClientId("client-7");
        ResponseHeaderData response = new ResponseHeaderData().setCorrelationId(77);
        System.out.println("== headers " + name + " " + version
            + " " + HEX.formatHex(bytes(request, api.requestHeaderVersion(version)).array())
            + " " + HEX.formatHex(bytes(response, api.responseHeaderVersion(version)).array()));
    }

    static ByteBuffer bytes(ApiMessage message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        buffer.flip();
        return buffer;
    }

    Struct fill(Schema schema, String path) {
        Struct struct = new Struct(schema);
        for (BoundField bound : schema.fields()) {
            Field field = bound.def;
            if (field.type instanceof TaggedFields)
                struct.set(bound, fillTags((TaggedFields) field.type, path));
            else
                struct.set(bound, fillField(field, path));
        }
        return struct;
    }

    Map<Integer, Object> fillTags(TaggedFields tags, String path) {
        Map<Integer, Object> values = new TreeMap<>();
        if (variant == Variant.FULL)
            fieldsOf(tags).forEach((tag, field) -> values.put(tag, fillField(field, path)));
        return values;
    }

    /** Older releases have no method for them. */
    @SuppressWarnings("unchecked")
    static Map<Integer, Field> fieldsOf(TaggedFields tags) {
        try {
            java.lang.reflect.Field fields = TaggedFields.class.getDeclaredField("fields");
            fields.setAccessible(true);
            return (Map<Integer, Field>) fields.get(tags);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    Object fillField(Field field, String path) {
        return fillValue(field.type, path + field.name, true);
    }

    Object fillValue(Type type, String path, boolean nullAllowed) {
        if (variant == Variant.EMPTY && nullAllowed && type.isNullable()) {
            lines.add(path + "=null");
            return null;
        }
        if (type.isArray()) {
            int count = variant == Variant.EMPTY ? 0 : 2;
            lines.add(path + "=[" + count + "]");
            List<Object> elements = new ArrayList<>();
            for (int i = 0; i < count; i++)
                elements.add(fillValue(type.arrayElementType().get(), path + "[" + i + "]", false));
            return elements.toArray();
        }
        if (type instanceof Schema)
            return fill((Schema) type, path + ".");
        return fillScalar(type.toString(), path);
    }

    Object fillScalar(String type, String path) {
        long n = ++counter;
        long mixed = variant == Variant.EMPTY ? 0 : n * 0x9E3779B97F4A7C15L;
        switch (type.replace("COMPACT_", "").replace("NULLABLE_", "")) {
            case "BOOLEAN": return note(path, variant == Variant.FULL);
            case "INT8": return note(path, (byte) mixed);
            case "INT16": return note(path, (short) mixed);
            case "INT32": return note(path, (int) (mixed >> 16));
            case "INT64": return note(path, mixed);
            case "FLOAT64": {
                double value = (short) mixed / 4.0;
                lines.add(path + "=" + String.format(java.util.Locale.ROOT, "%.2f", value));
                return value;
            }
            case "UUID":
                Uuid uuid = new Uuid(mixed, mixed == 0 ? 0 : ~mixed);
                lines.add(path + "=" + String.format("%016x%016x",
                    uuid.getMostSignificantBits(), uuid.getLeastSignificantBits()));
                return uuid;
            case "STRING": return note(path, text(n));
            case "BYTES": {
                byte[] raw = text(n).getBytes(StandardCharsets.UTF_8);
                lines.add(path + "=" + HEX.formatHex(raw));
                return ByteBuffer.wrap(raw);
            }
            case "RECORDS": {
                byte[] raw = text(n).getBytes(StandardCharsets.UTF_8);
                lines.add(path + "=" + HEX.formatHex(raw));
                return records(raw);
            }
            default: throw new IllegalStateException("no values for " + type);
        }
    }

    /** Here only bytes with a length. The class has moved from one release to the next. */
    static Object records(byte[] raw) {
        for (String where : List.of("record.internal", "record"))
            try {
                return Class.forName("org.apache.kafka.common." + where + ".MemoryRecords")
                    .getMethod("readableRecords", ByteBuffer.class)
                    .invoke(null, ByteBuffer.wrap(raw));
            } catch (ClassNotFoundException e) {
                continue;
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e);
            }
        throw new IllegalStateException("no MemoryRecords");
    }

    /** Now and then a text whose length needs two bytes as a varint, and one that is not ASCII. */
    String text(long n) {
        if (variant == Variant.EMPTY)
            return "";
        if (n % 7 == 3)
            return "long-" + n + "-".repeat(140);
        return (n % 7 == 5 ? "Größe-" : "text-") + n;
    }

    <T> T note(String path, T value) {
        lines.add(path + "=" + value);
        return value;
    }
}
