// The official Kusto SDK as a client of the ADX stand-in: ingests, queries, prints JSON lines.
//
//     node client.mjs queued|queued-stream|queued-twice|streaming|managed TABLE FILE [PROPERTIES]
//     node client.mjs query KQL
//     node client.mjs failures|successes
//
// Environment: PEERS (where node_modules is), ENGINE and DM (base URLs), TOKEN (optional bearer token), or TENANT, CLIENT,
// SECRET and AAD (a login endpoint to get one from, by @azure/identity). Exit 1: the SDK threw; its message is on stderr.
import { webcrypto } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

// Debian 12's node 18 has it, but not where the SDK (which is made for 20) looks.
globalThis.crypto ??= webcrypto;

const { PEERS, ENGINE, DM, TOKEN, TENANT, CLIENT, SECRET, AAD } = process.env;
const load = (path) => import(pathToFileURL(`${PEERS}/node_modules/${path}`).href);
const data = await load("azure-kusto-data/dist-esm/src/index.js");
const ingest = await load("azure-kusto-ingest/dist-esm/src/index.js");

async function credential() {
    const { ClientSecretCredential } = await load("@azure/identity/dist/esm/index.js");
    return new ClientSecretCredential(TENANT, CLIENT, SECRET, { authorityHost: AAD, disableInstanceDiscovery: true });
}

async function connect(url) {
    const Builder = data.KustoConnectionStringBuilder;
    if (TOKEN) return Builder.withAccessToken(url, TOKEN);
    return AAD ? Builder.withTokenCredential(url, await credential()) : new Builder(url);
}

const [command, table, file, properties] = process.argv.slice(2);

async function makeProperties() {
    const { mapping, tags, ifNotExists, format, flush, level, ...rest } = JSON.parse(properties ?? "{}");
    if (Object.keys(rest).length) throw new Error(`unknown properties ${Object.keys(rest)}`);
    return new ingest.IngestionProperties({
        database: "NetDefaultDB", table, format: ingest.DataFormat[format ?? "CSV"],
        ...(mapping && { ingestionMappingReference: mapping }),
        ...(tags && { ingestByTags: tags }), ...(ifNotExists && { ingestIfNotExists: JSON.stringify(ifNotExists) }),
        ...(flush && { flushImmediately: true }), ...(level && { reportLevel: ingest.ReportLevel[level] }),
    });
}

// What became of ingestions, by the report queues. Popping takes them out.
async function report(kind) {
    const queues = new ingest.IngestStatusQueues(new ingest.IngestClient(await connect(DM)));
    for (const message of await queues[kind].pop(32)) console.log(JSON.stringify(message));
}

const commands = {
    async queued() {
        return new ingest.IngestClient(await connect(DM), await makeProperties()).ingestFromFile(file);
    },
    async "queued-stream"() {
        const client = new ingest.IngestClient(await connect(DM), await makeProperties());
        return client.ingestFromStream(createReadStream(file));
    },
    // Two files by one client: what was asked of data management is to be asked once.
    async "queued-twice"() {
        const client = new ingest.IngestClient(await connect(DM), await makeProperties());
        await client.ingestFromFile(file);
        return client.ingestFromFile(file);
    },
    async streaming() {
        return new ingest.StreamingIngestClient(await connect(ENGINE), await makeProperties()).ingestFromFile(file);
    },
    async managed() {
        const client = new ingest.ManagedStreamingIngestClient(await connect(ENGINE), await connect(DM), await makeProperties());
        return client.ingestFromStream(readFileSync(file));
    },
    async query() {
        const client = new data.Client(await connect(ENGINE));
        const answer = await client.execute("NetDefaultDB", table);
        for (const row of answer.primaryResults[0].rows()) console.log(JSON.stringify(row.raw));
    },
    async failures() {
        await report("failure");
    },
    async successes() {
        await report("success");
    },
};

try {
    await commands[command]();
} catch (error) {
    console.error(error?.response?.data?.error?.code ?? error?.message ?? error);
    process.exitCode = 1;
}
