import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One node on loopback: {@code java Node.java FOLDER HTTP-PORT TRANSPORT-PORT}; ends with its process. */
public class Node {
    public static void main(String[] arguments) throws Exception {
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            settings.put("network.host", "127.0.0.1");
            settings.put("http.port", arguments[1]);
            settings.put("transport.port", arguments[2]);
        });
        runner.build(OpenSearchRunner.newConfigs().basePath(arguments[0]).numOfNode(1).clusterName("bench"));
        Thread.currentThread().join();
    }
}
