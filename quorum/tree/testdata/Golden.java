// Golden applies the txns of a golden file to the DataTree of Apache ZooKeeper and prints the file
// anew. With the jars of a release (zookeeper, zookeeper-jute and what they need) in $CP:
//
//	java -Dzookeeper.extendedTypesEnabled=true -cp "$CP" Golden.java < java-3.8.0.txt

import java.io.BufferedReader;
import java.io.InputStreamReader;
import org.apache.zookeeper.server.DataTree;
import org.apache.zookeeper.server.TxnLogEntry;
import org.apache.zookeeper.server.util.SerializeUtils;

public class Golden {
    public static void main(String[] args) throws Exception {
        DataTree tree = new DataTree();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String txn = line.split(" ")[0];
            byte[] bytes = new byte[txn.length() / 2];
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = (byte) Integer.parseInt(txn.substring(2 * i, 2 * i + 2), 16);
            }
            TxnLogEntry entry = SerializeUtils.deserializeTxn(bytes);
            DataTree.ProcessTxnResult result = tree.processTxn(entry.getHeader(), entry.getTxn());
            System.out.println(txn + " " + result.err + " " + Long.toHexString(tree.getTreeDigest()) + " "
                    + tree.getNodeCount() + " " + tree.getEphemeralsCount());
        }
    }
}
