import pyhe_client
from mnist_util import *

# Parse command-line arguments
FLAGS, _ = client_argument_parser().parse_known_args()
# Load data
(x_test, y_test) = load_mnist_test_data(
    FLAGS.start_batch, FLAGS.batch_size)
# Perform inference
client = pyhe_client.HESealClient(
    FLAGS.hostname, FLAGS.port, FLAGS.batch_size,
    { FLAGS.tensor_name:
      (FLAGS.encrypt_data_str, x_test.flatten('C')) })
results = client.get_results()
right = np.sum(np.reshape(results, y_test.shape).argmax(axis=1) == y_test.argmax(axis=1))
print(f"accuracy: {right} of {len(y_test)} = {100 * right / len(y_test):.2f} %")
