package main

// persona is a customer of the demo.
type persona struct {
	name, mailbox, language string
	hello, thanks           string
}

// business is whom the demo's agent answers for.
type business struct {
	name, site  string
	human, team string
	topics      []topic
}

// topic is what a conversation is about.
type topic struct {
	title, page, source    string
	question, answer       string
	followUp, followAnswer string
	wish                   string // what the lead wants
	complaint, reason      string // why a human is needed
	human                  string // what that human says
	action                 string // what the summary leaves to do
	tags                   []string
}

func personas() []persona {
	return []persona{
		{"Amara Okafor", "amara.okafor", "en", "Hello hello!", "Lovely, thank you so much!"},
		{"Jonas Lindqvist", "jonas.l", "sv", "Hej!", "Tack så mycket, that helps."},
		{"Mei-Ling Chen", "meiling", "zh", "你好 / hi!", "谢谢! All clear now."},
		{"Diego Fernández", "diego.fdz", "es", "¡Hola!", "¡Mil gracias! Perfect."},
		{"Priya Raghunathan", "priya.r", "en", "Namaste,", "Great, that answers it."},
		{"Tomasz Wiśniewski", "t.wisniewski", "pl", "Dzień dobry,", "Dziękuję, super!"},
		{"Wanjiru Kamau", "wanjiru", "sw", "Habari!", "Asante sana 🙏"},
		{"Chloé Dubois", "chloe.dubois", "fr", "Bonjour !", "Merci, c’est parfait."},
		{"Liam O'Sullivan", "liam.osullivan", "en", "Howya,", "Sound, thanks a million."},
		{"Yuki Tanaka", "yuki_t", "ja", "こんにちは。", "ありがとうございます!"},
		{"Fatima Al-Sayed", "fatima.alsayed", "ar", "مرحبا,", "شكرا! Very helpful."},
		{"Greta Novák", "greta", "cs", "Dobrý den,", "Díky, that was quick 🙂"},
	}
}

func businesses() []business { return []business{dentist(), bikes(), bakery(), lodge()} }

func dentist() business {
	return business{
		name: "Harbour Dental", site: "harbour-dental.example", human: "Dr. Ruiz's front desk", team: "Reception",
		topics: []topic{
			{
				title: "Chipped tooth, urgent appointment", page: "/emergencies", source: "Emergency appointments",
				question: "I chipped a tooth on an olive stone. Can somebody see me today?",
				answer:   "Ouch! We keep two emergency slots a day. Today 16:40 is still free: shall I hold it for you?",
				followUp: "16:40 works. Will it hurt?", followAnswer: "We numb the area first; most people only feel a little pressure.",
				wish: "emergency slot today at 16:40", complaint: "I'm at the door and it is locked!", reason: "urgent_onsite",
				human: "I'm coming down to open, one second.", action: "Call to confirm the 16:40 slot",
				tags: []string{"appointment", "emergency"},
			},
			{
				title: "Price of whitening", page: "/prices", source: "Price list",
				question: "How much is whitening, and is it < 300 in total?",
				answer:   "In-chair whitening is 289, the check-up before it is included.",
				followUp: "Do you do instalments?", followAnswer: "Yes: three monthly payments of 96.33, without interest.",
				wish: "whitening in three instalments", complaint: "My invoice says 389, not 289.", reason: "billing_dispute",
				human: "You're right, that is our mistake. A corrected invoice is on its way.", action: "Send the corrected invoice",
				tags: []string{"prices", "whitening", "billing"},
			},
			{
				title: "First visit of a child", page: "/children", source: "Your child's first visit",
				question: "My daughter is 3. Is that too early for a first visit?",
				answer:   "Not at all, three is a good age: the first visit is mostly about counting teeth and riding the chair.",
				followUp: "She's a bit scared of masks.", followAnswer: "Then we take them off for the hello, and she gets a star for every tooth.",
				wish: "first visit for a three-year-old", complaint: "She is really frightened, can I talk to a person?", reason: "customer_request",
				human: "Of course. I'm Ana, I look after our youngest patients: tell me about her.", action: "Book the children's slot on Saturday",
				tags: []string{"children", "first visit"},
			},
		},
	}
}

func bikes() business {
	return business{
		name: "Spoke & Chain", site: "spoke-and-chain.example", human: "Bo from the workshop", team: "Workshop",
		topics: []topic{
			{
				title: "E-bike range in the hills", page: "/e-bikes/ridge-2", source: "Ridge 2: battery",
				question: "How far does the Ridge 2 really go with a 95 kg rider & hills?",
				answer:   "With hills and 95 kg count on 55–65 km in tour mode; eco adds about 20 km.",
				followUp: "Can I add a second battery later?", followAnswer: "Yes, the mount is there already: 500 Wh, 3.1 kg, about 15 minutes to fit.",
				wish: "test ride of the Ridge 2 on Saturday", complaint: "I did 38 km yesterday, not 55. Who can look at it?", reason: "product_complaint",
				human: "Bring it in and I'll read the battery out while you wait.", action: "Prepare a battery read-out",
				tags: []string{"e-bike", "battery"},
			},
			{
				title: "Repair finished or not", page: "/workshop", source: "Workshop status",
				question: "Is order #4471 ready? It's the green gravel bike.",
				answer:   "#4471 is on the stand right now; the new cassette went in this morning. Ready by 17:00.",
				followUp: "Could you true the front wheel as well?", followAnswer: "Sure, that's 18 on top and still done today.",
				wish: "text message when #4471 is ready", complaint: "You said that yesterday too.", reason: "repeated_delay",
				human: "Fair. I'm finishing it myself now, and the wheel is on the house.", action: "Waive the wheel truing for #4471",
				tags: []string{"repair", "pickup"},
			},
			{
				title: "Return of a helmet", page: "/returns", source: "Returns",
				question: "The helmet is too small. Can I send it back if I tore the box?",
				answer:   "Yes, a torn box is fine as long as the helmet is unused. Here is your label.",
				followUp: "How long until the refund?", followAnswer: "Usually two working days after it reaches us.",
				wish: "the same helmet in size L", complaint: "The label link gives an error \"\\u0000\".", reason: "technical_problem",
				human: "Sorry! I've mailed you the label as a PDF.", action: "Reserve a helmet in size L",
				tags: []string{"return", "helmet"},
			},
		},
	}
}

func bakery() business {
	return business{
		name: "Padaria Aurora", site: "padaria-aurora.example", human: "Dona Lúcia", team: "Counter",
		topics: []topic{
			{
				title: "Birthday cake without nuts", page: "/cakes", source: "Allergens",
				question: "Do you make a birthday cake for 20 people, no nuts at all?",
				answer:   "Yes! Our chocolate and our passion fruit cakes are made on the nut-free bench. 20 people need the 3 kg size.",
				followUp: "Passion fruit then. With “Parabéns, Zé 🎂” on it?", followAnswer: "With pleasure, the writing is free.",
				wish: "3 kg passion fruit cake for Saturday", complaint: "My son is very allergic, I want to hear it from the baker.", reason: "allergy",
				human: "Lúcia here. Separate bench, separate tools, I bake it first thing. You can watch.", action: "Note: severe nut allergy",
				tags: []string{"cake", "allergens", "order"},
			},
			{
				title: "Bread subscription", page: "/bread-club", source: "Bread club",
				question: "Can I pause the bread subscription for two weeks?",
				answer:   "Of course: it's paused until the 18th, and those two weeks are not charged.",
				followUp: "And switch to the rye loaf after that?", followAnswer: "Done, rye from the 18th on.",
				wish: "rye loaf every Friday", complaint: "I was charged for this week anyway.", reason: "billing_dispute",
				human: "I see it, sorry. Refunded just now.", action: "Check that the refund went out",
				tags: []string{"subscription", "bread"},
			},
		},
	}
}

func lodge() business {
	return business{
		name: "Lakeside Lodges", site: "lakeside-lodges.example", human: "Njoki at reception", team: "Front office",
		topics: []topic{
			{
				title: "Late arrival with a dog", page: "/faq/arrival", source: "Arrival and departure",
				question: "We arrive at 23:30 with a dog. Is that a problem?",
				answer:   "No problem: the key box is at the blue door, and dogs up to 40 kg are welcome in lodges 5–9.",
				followUp: "What does the dog cost?", followAnswer: "10 a night, and there's a bowl and a blanket waiting.",
				wish: "lodge 7 for three nights, one dog", complaint: "The code for the key box does not work and it's midnight.", reason: "urgent_onsite",
				human: "On my way with a torch, two minutes!", action: "Change the batteries of key box 2",
				tags: []string{"arrival", "dog"},
			},
			{
				title: "Company retreat for 24", page: "/groups", source: "Groups and retreats",
				question: "Could you host 24 people for two nights, with a projector?",
				answer:   "Yes, twelve twin lodges and the boat house, which has a projector, a screen & a wood stove.",
				followUp: "Vegan catering too?", followAnswer: "Yes, the kitchen does vegan for groups with three days' notice.",
				wish: "offer for 24 people, two nights, boat house", complaint: "I need a signed offer today, not a chat.", reason: "customer_request",
				human: "Understood: the offer is in your inbox within the hour.", action: "Send the offer for 24 people",
				tags: []string{"group", "catering", "offer"},
			},
			{
				title: "Opening time of the pool", page: "/pool", source: "Pool",
				question: "When does the pool open on Sundays?",
				answer:   "At 9:00 on Sundays, at 7:00 on all other days.",
				followUp: "Is it heated?", followAnswer: "To 27 °C from April to October.",
				wish: "day pass for two adults and three kids", complaint: "The sign says 7, the kids are NOT amused.", reason: "wrong_information",
				human: "The sign is old, I'm sorry. Hot chocolate for the kids is on us.", action: "Replace the sign at the pool",
				tags: []string{"pool", "opening hours"},
			},
		},
	}
}
